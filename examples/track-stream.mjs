/**
 * Raw frames from a pipe → boxes while they come. The tracker takes a frame only when it is done with the one before, and the pipe waits.
 *
 *   camera | node examples/track-stream.mjs CONFIG WEIGHTS x,y,w,h WIDTHxHEIGHT        interleaved 8-bit BGR frames on standard input
 *   ffmpeg -v error -i clip.mp4 -f rawvideo -pix_fmt bgr24 - | node examples/track-stream.mjs my.yaml epoch-19.pkl 120,80,64,48 640x480
 */
import { buildTracker, loadConfig, rawFrames, trackSequence } from 'siamfcpp-native'

const [file, weights, init, size] = process.argv.slice(2)
if (size === undefined) {
  console.error('usage: node examples/track-stream.mjs CONFIG WEIGHTS x,y,w,h WIDTHxHEIGHT')
  process.exit(2)
}
const [width, height] = size.split('x').map(Number)
const frames = rawFrames(process.stdin, { width, height, channels: 3, format: 'bgr' })
const tracker = await buildTracker(await loadConfig(file), { weights })
try {
  for await (const { frame, box, score } of trackSequence(tracker, frames, init.split(',').map(Number))) {
    console.log(`${frame}: ${box.map((value) => value.toFixed(1)).join(',')} score ${score.toFixed(3)}`)
  }
} finally {
  tracker.dispose()
}
