// Keys of the whole page; those of a focused field stay the field's.

import { grown, moved, resized } from './box.js'

/** @typedef {'help' | 'lowest' | 'export'} Command */

const arrows = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] })

/**
 * @param {{ player: import('./player.js').Player, stage: HTMLElement, dialog: HTMLDialogElement, singleKeys: HTMLInputElement, run: (command: Command) => void }} page
 */
export function listenToKeys({ player, stage, dialog, singleKeys, run }) {
  document.addEventListener('keydown', (event) => {
    if (dialog.open || event.altKey || event.metaKey || event.defaultPrevented) return
    const target = /** @type {HTMLElement} */ (event.target)
    if (target instanceof HTMLInputElement && target.type === 'number') {
      if (event.key === 'Enter') take(() => player.accept())
      else if (event.key === 'Escape') take(() => player.discard())
      return
    }
    if (editing(event, target) || playing(event, target)) event.preventDefault()

    /** @param {() => unknown} action */
    function take(action) {
      event.preventDefault()
      action()
    }
  })

  /** Keys for the box that is being drawn. @param {KeyboardEvent} event @param {HTMLElement} target */
  function editing(event, target) {
    const { draft, size } = player
    if (draft === undefined) return false
    const arrow = arrows[event.key]
    const step = event.shiftKey ? 10 : 1
    if (arrow !== undefined && (target === stage || target === document.body)) {
      const [dx, dy] = arrow
      player.edit(event.ctrlKey ? resized(draft, dx * step, dy * step, size) : moved(draft, dx * step, dy * step, size))
      return true
    }
    if (event.ctrlKey) return false
    if (event.key === 'Escape') player.discard()
    else if (event.key === 'Enter' && !isControl(target)) void player.accept()
    else if (event.key === '+' || event.key === '=') player.edit(grown(draft, 1.05, size))
    else if (event.key === '-') player.edit(grown(draft, 1 / 1.05, size))
    else return false
    return true
  }

  /** @param {KeyboardEvent} event @param {HTMLElement} target */
  function playing(event, target) {
    if (event.ctrlKey || target instanceof HTMLSelectElement) return false
    switch (event.key) {
      case ' ':
        if (isControl(target)) return false
        void player.toggle()
        return true
      case 'ArrowRight':
      case 'ArrowLeft': {
        const way = event.key === 'ArrowRight' ? 1 : -1
        if (event.shiftKey) void player.show(Math.min(player.view + 10 * way, Math.max(player.view, player.run.last)))
        else if (way === 1) void player.forward()
        else void player.show(player.view - 1)
        return true
      }
      case 'Home':
        void player.show(0)
        return true
      case 'End':
        if (player.run.last >= 0) void player.show(player.run.last)
        return true
      case 'Enter':
        if (target !== stage) return false
        player.edit()
        return true
    }
    if (!singleKeys.checked || event.key.length !== 1) return false
    switch (event.key.toLowerCase()) {
      case 'b':
        player.edit()
        stage.focus()
        return true
      case 'l':
        run('lowest')
        return true
      case 'e':
        run('export')
        return true
      case '?':
        run('help')
        return true
    }
    return false
  }
}

/** Buttons answer to Space and Enter themselves. @param {HTMLElement} target */
function isControl(target) {
  return target instanceof HTMLButtonElement || target instanceof HTMLSelectElement || target instanceof HTMLAnchorElement || (target instanceof HTMLInputElement && target.type !== 'range')
}
