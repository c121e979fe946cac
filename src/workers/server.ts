/** The Redis or Valkey server at which an analysis and its workers meet. */
import type { Redis, RedisOptions } from 'ioredis';
import { InputError } from '../errors.js';

/** Milliseconds until a server that does not answer is given up at the start. */
const ANSWER_MILLISECONDS = 10_000;
const LONGEST_RETRY_MILLISECONDS = 2000;

/** A server that has answered. */
export interface Server {
  /** Its address without user and password. */
  readonly shown: string;
  /** Connects again by itself, as long as it takes; commands wait for that. */
  readonly redis: Redis;
  /** A connection of its own, for commands that block. */
  duplicate(): Redis;
  close(): void;
}

/** What to say of an error that a server, or the way to it, gave. */
export function serverFailure(shown: string, error: unknown): InputError {
  const { message = '', code = '' } = error as { message?: string; code?: string };
  const said = `${code} ${message}`;
  const failure = (name: string, words: string): InputError =>
    new InputError(`workers/${name}`, `${shown}: ${words}`, { cause: error });
  if (/WRONGPASS|NOAUTH|AUTH/.test(said)) {
    return failure(
      'password',
      'the server wants another user or password; give them in the address (rediss://user:password@host) or in PRUNE_LIMIT_REDIS_USERNAME and PRUNE_LIMIT_REDIS_PASSWORD',
    );
  }
  if (/NOPERM/.test(said)) {
    return failure(
      'permission',
      'the user may not do what is needed; allow it all commands on keys prune-limit:*',
    );
  }
  if (/\bOOM\b/.test(said)) {
    return failure(
      'full',
      'the server is full (maxmemory); allow it more memory, or leave it to this run alone, and start again',
    );
  }
  if (/MISCONF|READONLY|LOADING|NOREPLICAS/.test(said)) {
    return failure(
      'unwritable',
      `the server takes no data (${message.slice(0, 80)}); mend that, or name another server`,
    );
  }
  if (/CERT|SELF_SIGNED|certificate|ALTNAME/i.test(said)) {
    return failure(
      'certificate',
      `its certificate is not trusted (${code || message.slice(0, 60)}); name the file of its authority in NODE_EXTRA_CA_CERTS`,
    );
  }
  if (/SSL|EPROTO|ECONNRESET|Protocol error|Connection is closed/i.test(said)) {
    return failure(
      'protocol',
      `the server ended the connection (${(code || message).slice(0, 60)}); say rediss:// where it takes TLS, else redis://`,
    );
  }
  return failure(
    'unreachable',
    `no Redis or Valkey server answers (${(code || message).slice(0, 60)}); start one there, or mend the address`,
  );
}

/** An error as `serverFailure` where the server, or the way to it, is what failed; else the error itself. */
export function ifServerFailed(shown: string, error: unknown): unknown {
  const { name, code, message } = error as { name?: string; code?: unknown; message?: string };
  const isServers =
    name === 'ReplyError' || typeof code === 'string' || /Connection is closed|^OOM/.test(message ?? '');
  return isServers && !(error instanceof InputError) ? serverFailure(shown, error) : error;
}

function optionsOf(url: string): { shown: string; options: RedisOptions } {
  const { protocol, hostname, port, username, password, pathname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const secure = protocol === 'rediss:';
  return {
    shown: `${protocol}//${hostname}:${port || 6379}`,
    options: {
      host,
      port: Number(port || 6379),
      ...(username !== '' && { username: decodeURIComponent(username) }),
      ...(password !== '' && { password: decodeURIComponent(password) }),
      db: Number(pathname.replace(/^\//, '') || 0),
      ...(secure && { tls: { servername: host } }),
    },
  };
}

/** The client library and the queues, which are loaded only where workers are used. */
export async function loadLibraries(): Promise<{
  Redis: typeof import('ioredis').Redis;
  bullmq: typeof import('bullmq');
}> {
  try {
    const [{ Redis }, bullmq] = await Promise.all([import('ioredis'), import('bullmq')]);
    return { Redis, bullmq };
  } catch (cause) {
    throw new InputError(
      'workers/not-installed',
      'workers need the packages bullmq and ioredis, which are not installed; install them beside prune-limit: npm i bullmq ioredis (-g where it is global)',
      { cause },
    );
  }
}

/**
 * Asks a server whether it is there, on a connection of its own that is tried once: what is wrong shows best on that.
 *
 * @throws InputError where it does not answer within ten seconds, or refuses
 */
export async function requireServer(url: string): Promise<void> {
  const { Redis } = await loadLibraries();
  const { shown, options } = optionsOf(url);
  const probe = new Redis({
    ...options,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: ANSWER_MILLISECONDS,
  });
  let seen: unknown = null;
  let deadline: NodeJS.Timeout | undefined;
  probe.on('error', (error) => {
    seen ??= error;
  });
  try {
    await Promise.race([
      probe.connect().then(() => probe.ping()),
      new Promise((_, reject) => {
        deadline = setTimeout(() => reject(new Error('no answer within 10 s')), ANSWER_MILLISECONDS);
      }),
    ]);
  } catch (error) {
    throw serverFailure(shown, seen ?? error);
  } finally {
    clearTimeout(deadline);
    probe.disconnect();
  }
}

/**
 * Connects to a server.
 *
 * @param url `redis://` or `rediss://`, with user and password where the server wants them
 * @throws InputError as {@link requireServer}
 */
export async function connectServer(url: string): Promise<Server> {
  await requireServer(url);
  const { Redis } = await loadLibraries();
  const { shown, options } = optionsOf(url);
  const connections: Redis[] = [];
  const kept = (connection: Redis): Redis => {
    connections.push(connection);
    // Connections come back by themselves; who waits for an answer says so when it takes long.
    connection.on('error', () => {});
    return connection;
  };
  const redis = kept(
    new Redis({
      ...options,
      maxRetriesPerRequest: null,
      connectTimeout: ANSWER_MILLISECONDS,
      retryStrategy: (times) => Math.min(200 * times, LONGEST_RETRY_MILLISECONDS),
    }),
  );
  return {
    shown,
    redis,
    duplicate: () => kept(redis.duplicate()),
    close: () => {
      for (const connection of connections) {
        connection.disconnect();
      }
    },
  };
}
