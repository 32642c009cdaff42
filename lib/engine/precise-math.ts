/**
 * exp, log and cos rounded to the nearest double (up to rare ties), computed in double-double.
 *
 * Python takes these from glibc, which rounds so; V8's are off by one unit now and then, and a cosine schedule's last learning rates magnify
 * that to 6e-15 relative. With these the schedules are the original's doubles on every platform. They run once an iteration: speed does
 * not matter.
 */

/** An unevaluated sum hi + lo with |lo| ≤ ulp(hi)/2: about 106 bits. */
type DoubleDouble = readonly [hi: number, lo: number]

function twoSum(a: number, b: number): DoubleDouble {
  const sum = a + b
  const part = sum - a
  return [sum, a - (sum - part) + (b - part)]
}

/** Veltkamp's split: each half has at most 26 bits, so that products of halves are exact. */
function split(a: number): DoubleDouble {
  const t = 134217729 * a
  const hi = t - (t - a)
  return [hi, a - hi]
}

function twoProduct(a: number, b: number): DoubleDouble {
  const product = a * b
  const [ah, al] = split(a)
  const [bh, bl] = split(b)
  return [product, ah * bh - product + ah * bl + al * bh + al * bl]
}

function add(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const [sum, error] = twoSum(a[0], b[0])
  return twoSum(sum, error + a[1] + b[1])
}

function multiply(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const [product, error] = twoProduct(a[0], b[0])
  return twoSum(product, error + a[0] * b[1] + a[1] * b[0])
}

function divideByInteger(a: DoubleDouble, n: number): DoubleDouble {
  const q = a[0] / n
  const [p, e] = twoProduct(q, n)
  return twoSum(q, (a[0] - p - e + a[1]) / n)
}

const pi: DoubleDouble = [Math.PI, 1.2246467991473532e-16]
const halfPi: DoubleDouble = [Math.PI / 2, 6.123233995736766e-17]
const ln2: DoubleDouble = [Math.LN2, 2.3190468138462996e-17]

const negate = ([hi, lo]: DoubleDouble): DoubleDouble => [-hi, -lo]

/** Σ terms of a Taylor series: `first`, then each term is the one before times `factor` over the next divisor. */
function series(first: DoubleDouble, factor: DoubleDouble, divisor: (k: number) => number): DoubleDouble {
  let sum = first
  let term = first
  for (let k = 1; k < 40 && Math.abs(term[0]) > Math.abs(sum[0]) * 1e-36; k++) {
    term = divideByInteger(multiply(term, factor), divisor(k))
    sum = add(sum, term)
  }
  return sum
}

const rounded = ([hi, lo]: DoubleDouble): number => hi + lo

/** Cosine for x in [0, π]; other arguments go to Math.cos. */
export function cos(x: number): number {
  if (!(x >= 0 && x <= Math.PI)) return Math.cos(x)
  const second = x > Math.PI / 2
  const y: DoubleDouble = second ? add(pi, [-x, 0]) : [x, 0]
  const small = y[0] <= Math.PI / 4
  const z = small ? y : add(halfPi, negate(y))
  const factor = negate(multiply(z, z))
  const value = small ? series([1, 0], factor, (k) => (2 * k - 1) * 2 * k) : series(z, factor, (k) => 2 * k * (2 * k + 1))
  return rounded(second ? negate(value) : value)
}

function expDoubleDouble(x: DoubleDouble): DoubleDouble {
  const k = Math.round(x[0] / Math.LN2)
  const r = add(x, negate(multiply(ln2, [k, 0])))
  const [hi, lo] = series([1, 0], r, (n) => n)
  return [hi * 2 ** k, lo * 2 ** k]
}

/** e^x where the result is a normal double; else Math.exp. */
export function exp(x: number): number {
  return Math.abs(x) < 700 ? rounded(expDoubleDouble([x, 0])) : Math.exp(x)
}

/** Natural logarithm of a positive normal double; else Math.log. */
export function log(x: number): number {
  const y = Math.log(x)
  if (!(Math.abs(y) < 700) || x === 1) return y
  // One Newton step from V8's value: y + (x·e^(−y) − 1).
  const correction = add(multiply([x, 0], expDoubleDouble([-y, 0])), [-1, 0])
  return rounded(add([y, 0], correction))
}
