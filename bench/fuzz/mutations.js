/** Ways to damage a file. Each takes bytes and a random stream and gives new bytes; the same stream gives the same. */
export * from './mutations/bytes.js';
export * from './mutations/json.js';
export * from './mutations/message.js';
export * from './mutations/text.js';
