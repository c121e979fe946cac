/** The address of a Redis or Valkey server, with what the environment adds to it. */
import { InputError } from '../errors.js';

const EXAMPLE = 'redis://queue.example:6379';

/**
 * The address with user and password.
 *
 * @param given by the command line; undefined: PRUNE_LIMIT_REDIS_URL has it
 * @param option that it was given with, for messages, in which passwords are not repeated
 * @throws InputError where there is none, or it is none
 */
export function readServerUrl(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  option: string,
): string {
  const text = given ?? env.PRUNE_LIMIT_REDIS_URL;
  if (text === undefined || text === '') {
    throw new InputError(
      'usage/no-server',
      `${option}: say where the Redis or Valkey server is, for example ${EXAMPLE}, or set PRUNE_LIMIT_REDIS_URL`,
    );
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (
    url === null ||
    !/^rediss?:$/.test(url.protocol) ||
    url.hostname === '' ||
    !/^\/?\d{0,4}$/.test(url.pathname)
  ) {
    throw new InputError(
      'usage/server',
      `${option}: not the address of a Redis or Valkey server; it looks like ${EXAMPLE}, or rediss:// with TLS`,
    );
  }
  url.username ||= encodeURIComponent(env.PRUNE_LIMIT_REDIS_USERNAME ?? '');
  url.password ||= encodeURIComponent(env.PRUNE_LIMIT_REDIS_PASSWORD ?? '');
  return url.href;
}
