/**
 * Crops against OpenCV 5 and 4.5.5. Tolerances (golden README): exact float bilinear is within one level of OpenCV 5 with at most 0.2 % of
 * the values differing, within two levels of OpenCV 4 with at most 0.05 % beyond one.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadAddon } from '../../lib/native/load.ts'
import { goldenTensors, tensorOf } from '../helpers/golden-tensors.ts'
import { levelDifferences, readFrame } from '../helpers/pixels.ts'
import { shared } from '../helpers/shared.ts'

interface Job {
  id: number
  frame: string
  pos: [number, number]
  model_sz: number
  original_sz: number
  border: [number, number, number]
}

const jobs = (JSON.parse(readFileSync(shared('golden', 'crop_geometry.json'), 'utf8')) as { pixel_jobs: Job[] }).pixel_jobs
const addon = loadAddon()
const opencv5 = goldenTensors('crop_pixels.safetensors')
const opencv4 = goldenTensors('crop_pixels_cv455.safetensors')

function crop(job: Job, padding: Job['border'] | null, layout: 'hwc' | 'chw' = 'hwc'): Uint8Array {
  const frame = readFrame(shared('golden', 'frames', `${job.frame}.${job.frame === 'b720' ? 'jpg' : 'png'}`))
  return addon.cropSubwindow(frame.data, frame.width, frame.height, ...job.pos, job.original_sz, job.model_sz, padding, layout)
}

describe.each(jobs.map((job) => [job.id, job] as const))('job %i', (id, job) => {
  it('is within one level of OpenCV 5', () => {
    const { max, differing } = levelDifferences(crop(job, job.border), tensorOf(opencv5, `crop${id}`, Uint8Array).data)
    expect(max).toBeLessThanOrEqual(1)
    expect(differing).toBeLessThanOrEqual(0.002)
  })

  it('is within two levels of OpenCV 4.5.5', () => {
    const { max, overOne } = levelDifferences(crop(job, job.border), tensorOf(opencv4, `crop${id}`, Uint8Array).data)
    expect(max).toBeLessThanOrEqual(2)
    expect(overOne).toBeLessThanOrEqual(0.0005)
  })

  it('pads with the frame\'s mean, truncated, when none is given', () => {
    expect(crop(job, null)).toEqual(crop(job, job.border))
  })

  it('is the same in planes', () => {
    const interleaved = crop(job, job.border)
    const planar = crop(job, job.border, 'chw')
    const plane = job.model_sz * job.model_sz
    for (let c = 0; c < 3; c += 1) {
      expect(planar.subarray(c * plane, (c + 1) * plane)).toEqual(interleaved.filter((_, i) => i % 3 === c))
    }
  })
})
