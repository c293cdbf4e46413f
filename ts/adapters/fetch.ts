/** The way of a Web `Request` stands in `http/`, because `SmartRegistry.fetch` goes it too. */
export { type FetchHandler, type FetchHandlerOptions, toFetchHandler } from '../http/fetch-host.js';
