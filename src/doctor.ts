import type { Progress } from './progress.js';
import type { DoctorReport } from './report/doctor-report.js';

export async function diagnose(_progress: Progress): Promise<DoctorReport> {
  throw new Error('diagnose is not written yet');
}
