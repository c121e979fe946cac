/** Raised when a field of the report changes its meaning; new fields leave it as it is. */
export const schemaVersion = 2;
