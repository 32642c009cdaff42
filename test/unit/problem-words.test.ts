/** How many of a kind of problem there are, as lines for people say it. */
import { expect, it } from 'vitest'
import { countOfKind } from '../../lib/data/problems.ts'

it.each([
  ['undecodable_frame', 1, '1 undecodable frame'], ['undecodable_frame', 3, '3 undecodable frames'], ['missing_sequence', 2, '2 missing sequences'], ['empty_box', 2, '2 empty boxes'],
  ['bad_labels', 2, '2 bad labels'], ['unreadable', 2, '2 unreadable'], ['no_frames', 1, '1 no frames'], ['damaged_pack', 2, '2 damaged packs'],
])('%s, %i of them: %s', (kind, n, text) => expect(countOfKind(kind, n)).toBe(text))
