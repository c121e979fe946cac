/** Something that holds memory until it is told to let go. */
export interface Disposable {
  dispose(): void | Promise<void>;
}

/** Owns everything that is handed to it, for the length of one computation. */
export interface ResourceScope {
  own<T extends Disposable>(resource: T): T;
}

/**
 * Runs a computation and afterwards, also when it fails, disposes of all it
 * owned, last first.
 */
export async function resourceScope<T>(computation: (scope: ResourceScope) => Promise<T>): Promise<T> {
  const owned: Disposable[] = [];
  try {
    return await computation({
      own: (resource) => {
        owned.push(resource);
        return resource;
      },
    });
  } finally {
    for (const resource of owned.reverse()) {
      await resource.dispose();
    }
  }
}
