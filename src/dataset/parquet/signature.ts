/** `PAR1`, at both ends of a file (https://parquet.apache.org/docs/file-format/). */
export const PARQUET_SIGNATURE = [0x50, 0x41, 0x52, 0x31] as const;
