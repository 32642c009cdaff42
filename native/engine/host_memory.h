#pragma once

namespace siam::engine {

/// Makes malloc keep big blocks instead of returning them to the system: a training step allocates and frees the same hundreds of megabytes
/// each iteration, and mapping and faulting them in anew costs 5–10 % of it. Process-wide, once; does nothing where malloc is not glibc's.
void keep_big_blocks();

}  // namespace siam::engine
