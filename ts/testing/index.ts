export * from './auth-provider.js';
export * from './faulty-driver.js';
export * from './storage-driver.js';
