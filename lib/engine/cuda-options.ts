/** `train.track.cuda`: how CUDA's libraries compute. */
import type { CudaConfig, DeepReadonly } from '../config/index.ts'
import { loadAddon } from '../native/load.ts'

/** The section at its defaults; numbers of a run do not depend on whether it is written down. */
export const cudaDefaults: CudaConfig = { tf32_convolutions: true, tf32_matmuls: false, cudnn_benchmark: true, deterministic: false }

/** Sets them for the whole process; on the CPU they are left alone, where they mean nothing. */
export async function applyCudaOptions(options: DeepReadonly<CudaConfig>, device: string): Promise<void> {
  if (device === 'cpu') return
  const { tf32_convolutions: tf32Convolutions, tf32_matmuls: tf32Matmuls, cudnn_benchmark: cudnnBenchmark, deterministic } = options
  await loadAddon().setCudaSettings({ tf32Convolutions, tf32Matmuls, cudnnBenchmark, deterministic })
}
