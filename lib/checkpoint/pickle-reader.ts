/**
 * A pickle machine that only builds: lists, dicts, numbers, strings and what the allow-list of pickle-globals.ts makes. It has no way to
 * run code, to look a name up outside of that list, or to make more objects than its limits allow.
 */
import { corrupt } from './corrupt.ts'
import { callGlobal, count, dictKey, finished, lookUpGlobal, storageDType, wholeNumber } from './pickle-globals.ts'
import { NumpyDType, Refusal, StorageRef } from './pickle-values.ts'
import type { ConstructorContext, StackValue, StorageLoader } from './pickle-values.ts'
import { PyDict, PyFloat, PyTuple, checkTree, defaultTreeLimits, unwrapFloat } from './values.ts'
import type { CheckpointValue } from './values.ts'

export interface PickleLimits {
  /** Instructions that one pickle may have; what makes a container counts for several, so that each stands for 50 bytes of memory at most. */
  maxObjects: number
  maxDepth: number
  maxNodes: number
}

export const defaultPickleLimits: PickleLimits = { maxObjects: 1_000_000, ...defaultTreeLimits }

export interface PickleSource {
  file: string
  bytes: Uint8Array
  /** Where the pickle begins in `bytes`, and where it must have ended. */
  start: number
  end: number
  /** Where `bytes[0]` is in the file, for messages. */
  base: number
  /** Size of the whole file: no tensor may unfold to more. */
  fileBytes: number
}

/** What an empty container costs beyond its instruction: a Map takes about 260 bytes, an array 115. */
const dictCost = 7
const listCost = 2
const bytesCost = 2

/** Longest Python int that is read, in bytes: far beyond any number in a checkpoint, and cheap. */
const maxIntBytes = 256
/** All tensors, written out one by one, may have so many times the file's bytes: room for tied weights, none for a bomb. */
const maxUnfolding = 64
const limitHint = 'the limit can be raised with the option maxObjects'
const maxLineBytes = 1024
const mark = Symbol('mark')

/**
 * Reads one pickle.
 * @returns its value and the offset in `bytes` after its STOP
 * @throws ERR_CHECKPOINT with the file's offset of the instruction that failed
 */
export function readPickle(source: PickleSource, loadStorage: StorageLoader | null, limits: PickleLimits = defaultPickleLimits): { value: CheckpointValue; end: number } {
  const machine = new PickleMachine(source, loadStorage, limits)
  try {
    const value = machine.run()
    const complaint = checkTree(value, limits)
    if (complaint !== undefined) throw new Refusal(complaint)
    return { value, end: machine.position }
  } catch (error) {
    if (error instanceof Refusal) throw corrupt(source.file, source.base + machine.opcodeAt, error.message, error.hint)
    throw error
  }
}

class PickleMachine {
  position: number
  /** Offset of the instruction at work, for messages. */
  opcodeAt: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  readonly #limits: PickleLimits
  readonly #loadStorage: StorageLoader | null
  readonly #memo = new Map<number, StackValue>()
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  readonly #context: ConstructorContext
  #stack: (StackValue | typeof mark)[] = []
  #objects = 0

  constructor(source: PickleSource, loadStorage: StorageLoader | null, limits: PickleLimits) {
    this.#bytes = source.bytes
    this.#view = new DataView(source.bytes.buffer, source.bytes.byteOffset, source.bytes.byteLength)
    this.position = source.start
    this.opcodeAt = source.start
    this.#end = source.end
    // What a constructor copies is charged, or a short pickle could copy one long string a million times.
    let bytesLeft = source.fileBytes
    let tensorBytesLeft = maxUnfolding * source.fileBytes
    this.#context = {
      unfold: (bytes) => {
        if (!(bytes <= source.fileBytes)) throw new Refusal(`a tensor would unfold to ${bytes} bytes, more than the file has (${source.fileBytes})`)
        tensorBytesLeft -= bytes
        if (tensorBytesLeft < 0) throw new Refusal(`the tensors would unfold to more than ${maxUnfolding} times the file's size`)
      },
      spend: (objects, bytes) => {
        bytesLeft -= bytes
        this.#objects += objects
        if (bytesLeft < 0) throw new Refusal('the pickle makes more bytes than the file has')
        if (this.#objects > this.#limits.maxObjects) throw new Refusal(`the pickle makes more than ${this.#limits.maxObjects} values`, limitHint)
      },
    }
    this.#limits = limits
    this.#loadStorage = loadStorage
  }

  run(): CheckpointValue {
    for (;;) {
      this.opcodeAt = this.position
      const opcode = this.#u8()
      if (opcode === 0x2e) {
        const value = finished(this.#pop())
        if (this.#stack.length > 0) throw new Refusal('the pickle ends with more than one value')
        return value instanceof PyFloat ? value.value : value
      }
      if (++this.#objects > this.#limits.maxObjects) throw new Refusal(`the pickle has more than ${this.#limits.maxObjects} instructions`, limitHint)
      this.#step(opcode)
    }
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x80: { // PROTO
        const version = this.#u8()
        if (version > 5) throw new Refusal(`pickle protocol ${version}, this reads 0 to 5`)
        return
      }
      case 0x95: // FRAME: only a hint for readers of streams
        this.#length8()
        return
      case 0x28: return this.#push(mark) // MARK
      case 0x30: // POP
        if (this.#stack.pop() === undefined) throw new Refusal('the stack is empty')
        return
      case 0x31: // POP_MARK
        this.#popMark()
        return
      case 0x32: { // DUP
        const top = this.#pop()
        this.#push(top)
        return this.#push(top)
      }
      case 0x4e: return this.#push(null) // NONE
      case 0x88: return this.#push(true) // NEWTRUE
      case 0x89: return this.#push(false) // NEWFALSE
      case 0x4b: return this.#push(this.#u8()) // BININT1
      case 0x4d: return this.#push(this.#view.getUint16(this.#take(2), true)) // BININT2
      case 0x4a: return this.#push(this.#view.getInt32(this.#take(4), true)) // BININT
      case 0x49: return this.#push(this.#intLine()) // INT
      case 0x4c: return this.#push(this.#longLine()) // LONG
      case 0x8a: return this.#push(this.#longBytes(this.#u8())) // LONG1
      case 0x8b: return this.#push(this.#longBytes(this.#length4())) // LONG4
      case 0x47: return this.#push(float(this.#view.getFloat64(this.#take(8), false))) // BINFLOAT
      case 0x46: return this.#push(this.#floatLine()) // FLOAT
      case 0x58: return this.#push(this.#text(this.#length4())) // BINUNICODE
      case 0x8c: return this.#push(this.#text(this.#u8())) // SHORT_BINUNICODE
      case 0x8d: return this.#push(this.#text(this.#length8())) // BINUNICODE8
      case 0x56: return this.#push(this.#line()) // UNICODE
      case 0x53: return this.#push(this.#quotedLine()) // STRING
      case 0x54: return this.#push(this.#oldString(this.#length4())) // BINSTRING
      case 0x55: return this.#push(this.#oldString(this.#u8())) // SHORT_BINSTRING
      case 0x42: return this.#push(this.#byteString(this.#length4())) // BINBYTES
      case 0x43: return this.#push(this.#byteString(this.#u8())) // SHORT_BINBYTES
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#byteString(this.#length8()))
      case 0x29: return this.#push(this.#tuple([])) // EMPTY_TUPLE
      case 0x85: return this.#push(this.#tuple(this.#popCount(1))) // TUPLE1
      case 0x86: return this.#push(this.#tuple(this.#popCount(2))) // TUPLE2
      case 0x87: return this.#push(this.#tuple(this.#popCount(3))) // TUPLE3
      case 0x74: return this.#push(this.#tuple(this.#popMark())) // TUPLE
      case 0x5d: return this.#push(this.#charged(listCost, [])) // EMPTY_LIST
      case 0x6c: return this.#push(this.#extend(this.#charged(listCost, []), this.#popMark())) // LIST
      case 0x61: { // APPEND
        const item = this.#pop()
        this.#extend(this.#list(), [item])
        return
      }
      case 0x65: { // APPENDS
        const added = this.#popMark()
        this.#extend(this.#list(), added)
        return
      }
      case 0x7d: return this.#push(this.#charged(dictCost, new PyDict())) // EMPTY_DICT
      case 0x64: return this.#push(this.#fill(this.#charged(dictCost, new PyDict()), this.#popMark())) // DICT
      case 0x73: { // SETITEM
        const pair = this.#popCount(2)
        this.#fill(this.#dict(), pair)
        return
      }
      case 0x75: { // SETITEMS
        const pairs = this.#popMark()
        this.#fill(this.#dict(), pairs)
        return
      }
      case 0x8f: return this.#push(this.#charged(dictCost, new Set<CheckpointValue>())) // EMPTY_SET
      case 0x90: { // ADDITEMS
        const added = this.#popMark()
        const set = this.#top()
        if (!(set instanceof Set)) throw new Refusal('items are added to something that is no set')
        for (const item of added) set.add(unwrapFloat(set, item instanceof PyFloat ? item.value : item, finished(item)))
        return
      }
      case 0x91: return this.#push(this.#charged(dictCost, new Set(this.#popMark().map(finished)))) // FROZENSET
      case 0x71: return this.#remember(this.#u8()) // BINPUT
      case 0x72: return this.#remember(this.#length4()) // LONG_BINPUT
      case 0x70: return this.#remember(this.#decimalLine()) // PUT
      case 0x94: return this.#remember(this.#memo.size) // MEMOIZE
      case 0x68: return this.#recall(this.#u8()) // BINGET
      case 0x6a: return this.#recall(this.#length4()) // LONG_BINGET
      case 0x67: return this.#recall(this.#decimalLine()) // GET
      case 0x63: { // GLOBAL
        const module = this.#line()
        return this.#push(lookUpGlobal(module, this.#line()))
      }
      case 0x93: { // STACK_GLOBAL
        const [module, name] = this.#popCount(2)
        if (typeof module !== 'string' || typeof name !== 'string') throw new Refusal('a global that is not named by strings')
        return this.#push(lookUpGlobal(module, name))
      }
      case 0x52: // REDUCE
      case 0x81: { // NEWOBJ
        const [callee, args] = this.#popCount(2)
        if (!(args instanceof PyTuple)) throw new Refusal('a call whose arguments are no tuple')
        return this.#push(callGlobal(callee!, args, this.#context))
      }
      case 0x62: return this.#build() // BUILD
      case 0x51: return this.#persistent() // BINPERSID
      default:
        throw new Refusal(`pickle instruction 0x${opcode.toString(16).padStart(2, '0')} is not one that checkpoints use`)
    }
  }

  /** BUILD sets an object's state: an OrderedDict's attributes, a numpy dtype's byte order; a Parameter's attributes are dropped. */
  #build(): void {
    const state = this.#pop()
    const target = this.#top()
    if (target instanceof PyDict && state instanceof PyDict) {
      target.attributes = state
    } else if (target instanceof NumpyDType && state instanceof PyTuple) {
      if (state[1] === '>') target.littleEndian = false
    } else {
      throw new Refusal('the pickle sets attributes on something that has none')
    }
  }

  /** ('storage', class, key, location, number of elements[, view]): torch's way to name a storage outside of the pickle. */
  #persistent(): void {
    const id = this.#pop()
    if (!(id instanceof PyTuple) || id[0] !== 'storage' || id.length < 5 || this.#loadStorage === null) throw new Refusal('a persistent id that names no storage')
    const [, type, key, , numelArgument, view] = id as StackValue[]
    if (typeof key !== 'string' && typeof key !== 'number') throw new Refusal('a storage without a key')
    const declared = storageDType(type)
    const numel = count(numelArgument, 'a number of elements')
    const dtype = declared === 'bytes' ? 'uint8' : declared
    let part: { offset: number; numel: number } | null = null
    if (view instanceof PyTuple) {
      part = { offset: count(view[1], 'a view\'s offset'), numel: count(view[2], 'a view\'s size') }
    }
    this.#push(new StorageRef(this.#loadStorage({ key: String(key), dtype, numel, view: part })))
  }

  #push(value: StackValue | typeof mark): void {
    this.#stack.push(value)
  }

  #pop(): StackValue {
    const value = this.#stack.pop()
    if (value === undefined || value === mark) throw new Refusal('the stack is empty')
    return value
  }

  #top(): StackValue {
    const value = this.#stack.at(-1)
    if (value === undefined || value === mark) throw new Refusal('the stack is empty')
    return value
  }

  #popCount(length: number): StackValue[] {
    return Array.from({ length }, () => this.#pop()).reverse()
  }

  #popMark(): StackValue[] {
    const at = this.#stack.lastIndexOf(mark)
    if (at < 0) throw new Refusal('there is no mark on the stack')
    const values = this.#stack.splice(at)
    values.shift()
    return values as StackValue[]
  }

  #list(): CheckpointValue[] {
    const list = this.#top()
    if (!Array.isArray(list) || list instanceof PyTuple) throw new Refusal('items are appended to something that is no list')
    return list as CheckpointValue[]
  }

  #dict(): PyDict {
    const dict = this.#top()
    if (!(dict instanceof PyDict)) throw new Refusal('items are set on something that is no dict')
    return dict
  }

  #extend(list: CheckpointValue[], added: StackValue[]): CheckpointValue[] {
    for (const item of added) list.push(unwrapFloat(list, list.length, finished(item)))
    return list
  }

  #fill(dict: PyDict, pairs: StackValue[]): PyDict {
    if (pairs.length % 2 !== 0) throw new Refusal('a dict with a key that has no value')
    for (let i = 0; i < pairs.length; i += 2) {
      const key = dictKey(pairs[i]!)
      dict.set(key, finished(pairs[i + 1]!))
    }
    return dict
  }

  /** A tuple may hold half-made values (the arguments of a call); the check of the finished tree finds any that stay. */
  #tuple(values: StackValue[]): PyTuple {
    this.#context.spend(listCost, 0)
    return PyTuple.pack(values as CheckpointValue[])
  }

  #charged<T>(cost: number, value: T): T {
    this.#context.spend(cost, 0)
    return value
  }

  #remember(index: number): void {
    this.#memo.set(index, this.#top())
  }

  #recall(index: number): void {
    const value = this.#memo.get(index)
    if (value === undefined) throw new Refusal(`nothing is remembered under ${index}`)
    this.#push(value)
  }

  /** Takes bytes. @returns the offset of the first of them */
  #take(length: number): number {
    const at = this.position
    if (length > this.#end - at) throw new Refusal(`${length} bytes are needed where ${this.#end - at} are left`, 'the file is truncated or corrupt')
    this.position = at + length
    return at
  }

  #u8(): number {
    return this.#bytes[this.#take(1)]!
  }

  #length4(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  #length8(): number {
    const length = this.#view.getBigUint64(this.#take(8), true)
    if (length > BigInt(this.#end)) throw new Refusal(`${length} bytes are needed where ${this.#end - this.position} are left`)
    return Number(length)
  }

  #slice(length: number): Uint8Array {
    const at = this.#take(length)
    return this.#bytes.subarray(at, at + length)
  }

  #byteString(length: number): Uint8Array {
    this.#context.spend(bytesCost, 0)
    return this.#slice(length).slice()
  }

  #text(length: number): string {
    try {
      return this.#decoder.decode(this.#slice(length))
    } catch (error) {
      if (error instanceof TypeError) throw new Refusal('a string that is not UTF-8')
      throw error
    }
  }

  /** Python 2's str: text if it is UTF-8, else one character a byte. */
  #oldString(length: number): string {
    const bytes = this.#slice(length)
    try {
      return this.#decoder.decode(bytes)
    } catch {
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    }
  }

  #line(): string {
    const length = this.#bytes.subarray(this.position, Math.min(this.#end, this.position + maxLineBytes)).indexOf(0x0a)
    if (length < 0) throw new Refusal(`a line without an end in its first ${maxLineBytes} bytes`)
    const text = this.#text(length)
    this.position++
    return text
  }

  #quotedLine(): string {
    const line = this.#line()
    const quote = line[0]
    if (line.length < 2 || (quote !== "'" && quote !== '"') || line.at(-1) !== quote || line.includes('\\')) throw new Refusal('a string that is not plainly quoted')
    return line.slice(1, -1)
  }

  #intLine(): number | bigint | boolean {
    const line = this.#line()
    if (line === '00') return false
    if (line === '01') return true
    return parseInteger(line)
  }

  #longLine(): number | bigint {
    return parseInteger(this.#line().replace(/L$/, ''))
  }

  #decimalLine(): number {
    const value = parseInteger(this.#line())
    if (typeof value !== 'number') throw new Refusal('a number out of range')
    return value
  }

  #floatLine(): number | PyFloat {
    const line = this.#line()
    const special: Record<string, number> = { nan: NaN, inf: Infinity, '-inf': -Infinity }
    if (Object.hasOwn(special, line)) return special[line]!
    if (!/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(line)) throw new Refusal('a float that is none')
    return float(Number(line))
  }

  #longBytes(length: number): number | bigint {
    if (length > maxIntBytes) throw new Refusal(`an integer of ${length} bytes, more than ${maxIntBytes}`)
    const bytes = this.#slice(length)
    if (length === 0) return 0
    const hex = Buffer.from(bytes.toReversed()).toString('hex')
    const value = BigInt.asIntN(length * 8, BigInt(`0x${hex}`))
    return wholeNumber(value)
  }
}

function parseInteger(line: string): number | bigint {
  if (!/^[-+]?\d{1,600}$/.test(line)) throw new Refusal('an integer that is none')
  return wholeNumber(BigInt(line.startsWith('+') ? line.slice(1) : line))
}

/** Whole floats carry a wrapper until a container notes that they are floats. */
function float(value: number): number | PyFloat {
  return Number.isInteger(value) ? new PyFloat(value) : value
}
