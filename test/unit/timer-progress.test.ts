import { describe, expect, it } from 'vitest'
import { createProgress, formatMeter, type ProgressStream } from '../../lib/engine/progress.ts'

// What tqdm 4.67.1's format_meter(n, total, elapsed, ncols=columns, prefix=description, rate=rate) returned; rate null: n / elapsed.
const tqdm: [n: number, total: number | undefined, elapsed: number, rate: number | null, description: string, columns: number | undefined, text: string][] = [
  [0, 100, 0, null, '', undefined, '  0%|          | 0/100 [00:00<?, ?it/s]'],
  [42, 100, 10, null, 'epoch 0', undefined, 'epoch 0:  42%|████▏     | 42/100 [00:10<00:13,  4.20it/s]'],
  [42, 100, 10, null, 'epoch 0', 80, 'epoch 0:  42%|█████████████▊                   | 42/100 [00:10<00:13,  4.20it/s]'],
  [100, 100, 3725.4, null, 'a: ', 60, 'a: 100%|████████████████| 100/100 [1:02:05<00:00, 37.25s/it]'],
  [1, 1171, 8.2, null, '', 70, '  0%|                              | 1/1171 [00:08<2:39:54,  8.20s/it]'],
  [3, 0, 5, null, '', undefined, '3it [00:05,  1.67s/it]'],
  [7, undefined, 5, null, 'x', undefined, 'x: 7it [00:05,  1.40it/s]'],
  [1, 3, 0.5, 2.004, '', 40, ' 33%|█▋   | 1/3 [00:00<00:00,  2.00it/s]'],
  [5, 8, 1, null, '', undefined, ' 62%|██████▎   | 5/8 [00:01<00:00,  5.00it/s]'],
  [1, 8, 1, null, '', 30, ' 12%|▏| 1/8 [00:01<00:07,  1.0'],
  [999, 1000, 1, null, '', 100, '100%|██████████████████████████████████████████████████████████▉| 999/1000 [00:01<00:00, 999.00it/s]'],
  [12, 10, 3, null, '', undefined, '12it [00:03,  4.00it/s]'],
  [42, 100, 10, null, 'epoch 0', 0, 'epoch 0:  42% 42/100 [00:10<00:13,  4.20it/s]'],
  [1, 200, 86400, null, '', 50, '  0%|  | 1/200 [24:00:00<4776:00:00, 86400.00s/it]'],
]

const printStr =
  'epoch 3, lr: 8.0e-02, cls: 1.203, ctr: 0.612, reg: 2.301, iou: 0.312, data: 1.2e-03, fwd: 2.0e-01, bwd: 3.9e-01, optim: 5.0e-03,  max mem: 812.4M'

describe('formatMeter', () => {
  it.each(tqdm)('%d of %s in %d s', (n, total, elapsed, rate, description, columns, text) => {
    expect(formatMeter({ n, total, elapsed, rate: rate ?? (elapsed > 0 ? n / elapsed : 0), description, columns })).toBe(text)
  })

  it('cuts a long description, never the figures, and never exceeds the width', () => {
    const values = { n: 12, total: 100, elapsed: 6, rate: 2, description: printStr }
    expect(formatMeter({ ...values, columns: 100 })).toBe('epoch 3, lr: 8.0e-02, cls: 1.203, ctr: 0.612, reg…:  12%|█▏        | 12/100 [00:06<00:44,  2.00it/s]')
    expect(formatMeter({ ...values, columns: 100 })).toHaveLength(100)
    for (let columns = 1; columns < 220; columns++) {
      const text = formatMeter({ ...values, columns })
      expect(text.length).toBeLessThanOrEqual(columns)
      if (columns >= 40) expect(text).toContain('12/100 [00:06<00:44,  2.00it/s]')
      if (columns > 200) expect(text).toContain(`${printStr}:  12%|`)
    }
  })

  it('counts wide characters as two columns and keeps control characters out', () => {
    const text = formatMeter({ n: 1, total: 2, elapsed: 1, rate: 1, description: '跟踪\n\x1b[2J器', columns: 48 })
    for (const character of '\n\x1b') expect(text).not.toContain(character)
    expect([...text].length + 3).toBe(48)
  })
})

class Terminal implements ProgressStream {
  isTTY = true
  columns = 80
  written = ''
  write(text: string): void {
    this.written += text
  }
  /** What the screen shows. */
  get lines(): string[] {
    return this.written.split('\n').map((line) => line.split('\r').reduce((shown, part) => part + shown.slice(part.length), '').trimEnd())
  }
}

describe('createProgress on a terminal', () => {
  it('draws over the same line and ends it once', () => {
    const terminal = new Terminal()
    let seconds = 0
    const bar = createProgress({ total: 10, description: printStr, stream: terminal, now: () => seconds })
    for (let i = 0; i < 10; i++) {
      seconds += 0.5
      bar.setDescription(`step ${i}`)
      bar.update()
    }
    bar.close()
    bar.close()
    bar.update()
    bar.setDescription('late')
    expect(bar.n).toBe(10)
    expect(terminal.lines).toEqual([`step 9: 100%|${'█'.repeat(34)}| 10/10 [00:05<00:00,  2.00it/s]`, ''])
    for (const part of terminal.written.split(/[\r\n]/)) expect(part.length).toBeLessThanOrEqual(79)
  })

  it('follows the width of the terminal', () => {
    const terminal = new Terminal()
    let seconds = 0
    using bar = createProgress({ total: 10, stream: terminal, now: () => seconds })
    terminal.columns = 50
    seconds += 1
    bar.update()
    expect(terminal.written.split('\r').at(-1)!.trimEnd()).toHaveLength(49)
  })

  it('draws at most every tenth of a second', () => {
    const terminal = new Terminal()
    let seconds = 0
    const bar = createProgress({ total: 1000, stream: terminal, now: () => seconds })
    for (let i = 0; i < 1000; i++) {
      seconds += 0.001
      bar.update()
    }
    bar.close()
    expect(terminal.written.match(/\r/g)!.length).toBeLessThanOrEqual(12)
  })

  it('prints lines without tearing the bar', () => {
    const terminal = new Terminal()
    const bar = createProgress({ total: 4, stream: terminal, now: () => 0 })
    bar.log('Snapshot saved')
    bar.close()
    bar.log('after')
    expect(terminal.lines[0]).toBe('Snapshot saved')
    expect(terminal.lines[1]).toMatch(/^ {2}0%\|.*0\/4 \[00:00<\?, \?it\/s\]$/)
    expect(terminal.lines.slice(2)).toEqual(['after', ''])
  })

  it('weighs recent steps more than old ones, and does not count those of before', () => {
    const terminal = new Terminal()
    let seconds = 0
    const bar = createProgress({ total: 1000, initial: 500, stream: terminal, now: () => seconds })
    const step = (dt: number): void => {
      seconds += dt
      bar.update()
    }
    step(1)
    expect(terminal.written).toMatch(/501\/1000 \[00:01<08:19, {2}1\.00it\/s\] *$/)
    for (let i = 0; i < 30; i++) step(0.1)
    expect(Number(/([\d.]+)it\/s\] *$/.exec(terminal.written)![1])).toBeGreaterThan(9.9)
  })
})

describe('createProgress elsewhere', () => {
  const lines = (options: { total?: number; steps: number; dt: number }): string[] => {
    const stream = { written: '', write(text: string): void { this.written += text } }
    let seconds = 0
    const bar = createProgress({ total: options.total, description: 'train', stream, now: () => seconds })
    for (let i = 0; i < options.steps; i++) {
      seconds += options.dt
      bar.update()
    }
    bar.close()
    return stream.written.split('\n').slice(0, -1)
  }

  it('prints a line for each tenth of a run of some seconds', () => {
    const printed = lines({ total: 100, steps: 100, dt: 0.2 })
    expect(printed).toHaveLength(10)
    expect(printed[0]).toMatch(/^train: {2}10% 10\/100 \[00:0[12]<00:1[78], {2}5\.00it\/s\]$/)
    expect(printed.at(-1)).toMatch(/^train: 100% 100\/100 \[00:(19|20)<00:00, {2}5\.00it\/s\]$/)
  })

  it('prints every ten seconds in a slow one, at most one a second in a fast one, and always the last state', () => {
    expect(lines({ total: 1000, steps: 50, dt: 5 }).length).toBe(25)
    expect(lines({ total: 1000, steps: 1000, dt: 0.002 }).length).toBeLessThanOrEqual(3)
    expect(lines({ total: 1000, steps: 3, dt: 0.002 })).toEqual([expect.stringContaining('3/1000')])
    expect(lines({ steps: 30, dt: 1 })).toHaveLength(3)
    expect(lines({ total: 0, steps: 0, dt: 1 })).toEqual(['train: 0it [00:00, ?it/s]'])
  })

  it('is silent in mode none, and draws a bar into a file only when told to', () => {
    const terminal = new Terminal()
    const none = createProgress({ total: 3, stream: terminal, mode: 'none' })
    none.update()
    none.update(2)
    none.log('x')
    none.close()
    expect([none.n, terminal.written]).toEqual([3, ''])
    const file: ProgressStream & { text: string } = { text: '', write(text: string) { this.text += text } }
    createProgress({ total: 3, stream: file, mode: 'bar' }).close()
    expect(file.text).toContain('\r')
    const asked = new Terminal()
    createProgress({ total: 3, stream: asked, mode: 'lines' }).close()
    expect(asked.written).not.toContain('\r')
  })
})
