// The web socket of this tab: messages of the server go to handlers by their type (see lib/demo/messages.ts).

export class Connection {
  /** @type {WebSocket} */
  #socket
  #open = false
  /** @type {string[]} */
  #early = []

  /**
   * @param {Record<string, (message: any) => void>} handlers by type
   * @param {(wasOpen: boolean) => void} lost called when the socket closes
   */
  constructor(handlers, lost) {
    this.#socket = new WebSocket(`ws://${location.host}/api/session`)
    this.#socket.addEventListener('open', () => {
      this.#open = true
      for (const text of this.#early.splice(0)) this.#socket.send(text)
    })
    this.#socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data)
      handlers[message.type]?.(message)
    })
    this.#socket.addEventListener('close', () => {
      const wasOpen = this.#open
      this.#open = false
      lost(wasOpen)
    })
  }

  /** @param {object} message */
  send(message) {
    const text = JSON.stringify(message)
    if (this.#open) this.#socket.send(text)
    else if (this.#socket.readyState === WebSocket.CONNECTING) this.#early.push(text)
  }
}
