/**
 * The original's 17 training files. Eight lie in ../shared/reference-configs; the other nine are those with a few edits, which are made here.
 * Each edit must find what it replaces exactly as often as it says, and the result must have the length of the original's file.
 */
import { existsSync, readFileSync } from 'node:fs'
import { shared } from './shared.ts'

interface Edit {
  from: string
  to: string
  /** How often `from` stands there; default 1. */
  times?: number
}

interface Rebuilt {
  base: string
  edits: Edit[]
  /** Of the original's file. */
  characters: number
}

const given = [
  'fulldata/siamfcpp_googlenet-trn-fulldata.yaml',
  'got10k/siamfcpp_alexnet-dist_trn.yaml',
  'got10k/siamfcpp_alexnet-trn.yaml',
  'got10k/siamfcpp_googlenet-trn.yaml',
  'got10k/siamfcpp_shufflenetv2x0_5-trn.yaml',
  'got10k/siamfcpp_tinyconv-trn.yaml',
  'lasot/siamfcpp_alexnet-trn.yaml',
  'trackingnet/siamfcpp_alexnet-trn.yaml',
]

const distributed: Edit[] = [
  { from: '"RegularTrainer"\n      RegularTrainer:', to: '"DistributedRegularTrainer"\n      DistributedRegularTrainer:' },
  { from: 'names: ["TextInfo", "TensorboardLogger"]', to: 'names: ["TextInfo"]  # "TensorboardLogger"' },
]
const toX10: Edit[] = [
  { from: 'ShuffleNetV2_x0_5', to: 'ShuffleNetV2_x1_0', times: 4 },
  { from: 'shufflenetv2x0_5', to: 'shufflenetv2x1_0', times: 3 },
  { from: 'shufflenetv2_x0.5-f707e7126e-md5_21482f7b38455695468497729ab6bc20.pth', to: 'shufflenetv2_x1-5666bf0f80-md5_e7d72ef106c3f9818928503bef96804b.pth' },
  { from: 'alpha: 0.25', to: 'alpha: 0.5' },
  { from: 'negative_pair_ratio: 0.1', to: 'negative_pair_ratio: 0.2' },
]
const shuffleNetDistributed: Edit[] = [
  { from: '-got"', to: '-got-dist"', times: 2 },
  { from: '-got/epoch', to: '-got-dist/epoch' },
  { from: '&MINIBATCH 32  # 64', to: '&MINIBATCH 32' },
  { from: '&NR_IMAGE_PER_EPOCH 400000', to: '&NR_IMAGE_PER_EPOCH 400000  ' },
  ...distributed,
]
const got10kTesterDevices = '        subsets: ["val", "test"]  # (val|test)\n        device_num: '
const lasotTester = '        subsets: ["test"]  # (train_test|test)\n'
/** Of got10k's file: trains and tests on LaSOT. */
function onLasot(devices: number): Edit[] {
  return [
    { from: '-got"', to: '-lasot"', times: 2 },
    { from: '-got/epoch', to: '-lasot/epoch' },
    { from: `${got10kTesterDevices}${devices}\n`, to: '        subsets: ["val", "test"]  # (val|test)\n' },
    { from: lasotTester, to: `${lasotTester}        device_num: 4\n` },
    { from: 'names: ["GOT10kDataset",]', to: 'names: ["LaSOTDataset",]' },
  ]
}
const shuffleNetOnLasot: Edit[] = [...onLasot(4), { from: 'names: ["GOT10kTester",]  #', to: 'names: ["LaSOTTester",] #' }]
const googlenetRetina: Edit[] = [
  { from: 'names: [\n                #"SigmoidCrossEntropyRetina",\n                "FocalLoss",\n', to: 'names: ["SigmoidCrossEntropyRetina",\n' },
  { from: '        FocalLoss:', to: '        SigmoidCrossEntropyRetina:' },
  { from: '\n          amp: &amp False', to: '' },
  { from: '          amp: *amp\n', to: '' },
  { from: 'pin_memory: False', to: 'pin_memory: false' },
]

const rebuilt: Record<string, Rebuilt> = {
  'fulldata/siamfcpp_googlenet-dist_trn-fulldata.yaml': {
    base: 'fulldata/siamfcpp_googlenet-trn-fulldata.yaml',
    characters: 6897,
    edits: [
      { from: 'googlenet-fulldata', to: 'googlenet-fulldata-dist', times: 3 },
      { from: 'names: ["VOTTester", "TrackingNetTester"] #', to: 'names: ["VOTTester",] #' },
      {
        from: '      names: ["TrackingNetTester",]\n      TrackingNetTester:\n        exp_name: *TEST_NAME\n        exp_save: *TEST_SAVE\n        device_num: 1\n        subsets: ["test"]  # (train|test|train0,1,...)\n',
        to: `      GOT10kTester:\n        exp_name: *TEST_NAME\n        exp_save: *TEST_SAVE\n        subsets: ["val", "test"]  # (val|test)\n      LaSOTTester:\n        exp_name: *TEST_NAME\n        exp_save: *TEST_SAVE\n${lasotTester}`,
      },
      { from: 'subsets: ["train2017",] ', to: 'subsets: ["train2017",]' },
      ...distributed,
    ],
  },
  'got10k/siamfcpp_googlenet-dist_trn.yaml': {
    base: 'got10k/siamfcpp_googlenet-trn.yaml',
    characters: 6163,
    edits: [
      { from: '-got"', to: '-got-dist"', times: 2 },
      { from: '-got/epoch', to: '-dist/epoch' },
      { from: `${got10kTesterDevices}2`, to: `${got10kTesterDevices}4` },
      { from: '                #"SigmoidCrossEntropyRetina",\n                "FocalLoss",\n', to: '                "FocalLoss",\n                #"SigmoidCrossEntropyRetina",\n' },
      {
        from: '        SigmoidCrossEntropyCenterness:',
        to: '        SigmoidCrossEntropyRetina:\n          name: "cls"\n          weight: 1.0\n          alpha: 0.75\n          gamma: 2.0\n        SigmoidCrossEntropyCenterness:',
      },
      { from: '&amp False', to: '&amp True' },
      { from: '&MINIBATCH 128  # 256', to: '&MINIBATCH 128' },
      { from: 'pin_memory: False', to: 'pin_memory: True' },
      ...distributed,
    ],
  },
  'got10k/siamfcpp_shufflenetv2x0_5-dist_trn.yaml': { base: 'got10k/siamfcpp_shufflenetv2x0_5-trn.yaml', characters: 6393, edits: shuffleNetDistributed },
  'got10k/siamfcpp_shufflenetv2x1_0-dist_trn.yaml': { base: 'got10k/siamfcpp_shufflenetv2x0_5-trn.yaml', characters: 6390, edits: [...toX10, ...shuffleNetDistributed] },
  'got10k/siamfcpp_shufflenetv2x1_0-trn.yaml': { base: 'got10k/siamfcpp_shufflenetv2x0_5-trn.yaml', characters: 6355, edits: toX10 },
  'lasot/siamfcpp_googlenet-trn.yaml': {
    base: 'got10k/siamfcpp_googlenet-trn.yaml',
    characters: 5952,
    edits: [
      ...onLasot(2),
      { from: 'names: ["GOT10kTester",]', to: 'names: ["LaSOTTester",]' },
      ...googlenetRetina,
      { from: '\n\n# ====', to: '\n\n          # ====' },
    ],
  },
  'lasot/siamfcpp_shufflenetv2x0_5-trn.yaml': { base: 'got10k/siamfcpp_shufflenetv2x0_5-trn.yaml', characters: 6361, edits: shuffleNetOnLasot },
  'lasot/siamfcpp_shufflenetv2x1_0-trn.yaml': { base: 'got10k/siamfcpp_shufflenetv2x0_5-trn.yaml', characters: 6358, edits: [...toX10, ...shuffleNetOnLasot] },
  'trackingnet/siamfcpp_googlenet-trn.yaml': {
    base: 'lasot/siamfcpp_googlenet-trn.yaml',
    characters: 5490,
    edits: [
      { from: 'googlenet-lasot', to: 'googlenet-trackingnet', times: 3 },
      { from: 'names: ["LaSOTTester",] # (VOTTester|GOT10kTester|LaSOTTester)\n      VOTTester:', to: 'names: ["TrackingNetTester",]\n      TrackingNetTester:' },
      {
        from: `        device_num: 1\n        dataset_names: ["VOT2018"]\n      GOT10kTester:\n        exp_name: *TEST_NAME\n        exp_save: *TEST_SAVE\n        subsets: ["val", "test"]  # (val|test)\n      LaSOTTester:\n        exp_name: *TEST_NAME\n        exp_save: *TEST_SAVE\n${lasotTester}        device_num: 4\n`,
        to: '        device_num: 4\n        subsets: ["test"]  # (train|test|train0,1,...)\n',
      },
      { from: '&MINIBATCH 128  # 256', to: '&MINIBATCH 128' },
      { from: 'num_workers: 32', to: 'num_workers: 16 # 32' },
      {
        from: '["LaSOTDataset",]  # (GOT10kDataset|LaSOTDataset)\n            GOT10kDataset: &GOT10KDATASET_CFG\n              ratio: 1.0\n              max_diff: 100\n              dataset_root: "datasets/GOT-10k"\n              subset: "train"\n            GOT10kDatasetFixed: *GOT10KDATASET_CFG  # got10k dataset with exclusion of unfixed sequences\n            LaSOTDataset:',
        to: '["TrackingNetDataset",]\n            TrackingNetDataset:',
      },
      {
        from: 'dataset_root: "datasets/LaSOT"\n              subset: "train"\n',
        to: 'dataset_root: "datasets/TrackingNet"\n              subset: "train" # "train"\n              check_integrity: false  # no need to check integrity for visualization purpose\n',
      },
      { from: '\n\n          # ====', to: '\n\n# ====' },
    ],
  },
}

/** Their paths below the original's experiments/siamfcpp/train, in alphabetical order. */
export const originalTrainFiles: readonly string[] = [...given, ...Object.keys(rebuilt)].sort()

/** @returns the text of one of {@link originalTrainFiles}: the file itself where it is given, else rebuilt from one that is */
export function originalTrainFile(name: string): string {
  const file = `${shared('reference-configs', 'train')}/${name}`
  if (existsSync(file)) return readFileSync(file, 'utf8')
  const recipe = rebuilt[name]
  if (recipe === undefined) throw new Error(`${name} is none of the original's training files`)
  const text = recipe.edits.reduce((before, { from, to, times = 1 }) => {
    const found = before.split(from).length - 1
    if (found !== times) throw new Error(`${name}: expected ${JSON.stringify(from)} ${times} times but found it ${found} times`)
    return before.replaceAll(from, to)
  }, originalTrainFile(recipe.base))
  if (text.length !== recipe.characters) throw new Error(`${name}: rebuilt with ${text.length} characters, the original has ${recipe.characters}`)
  return text
}
