import { expressCases } from './express-cases.js';

expressCases('express-4', '*');
