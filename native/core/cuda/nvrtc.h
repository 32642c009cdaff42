// NVIDIA's run-time compiler, found at run time among the CUDA libraries that torch brings.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace siam::core::cuda {

struct Compiled {
  std::string image;   ///< machine code (or PTX, where the card is newer than the compiler); empty on failure
  std::string failure; ///< why there is none, with the compiler's log
};

/// Where libnvrtc was found and its version ("13.0"), or why there is none.
struct NvrtcReport {
  std::string path, version, why;
  bool usable() const { return why.empty(); }
};

/// Looks, once, at: the file that SIAMFCPP_NVRTC names; one that is loaded already; beside libtorch (a wheel's nvidia/cu13/lib, libtorch's own lib);
/// the loader's path. Any thread.
const NvrtcReport& nvrtc_report();

/// @param name  for messages     @param capability  of the card, e.g. 90     @param options  of the compiler
Compiled nvrtc_compile(const std::string& source, const std::string& name, int capability, const std::vector<std::string>& options);

}  // namespace siam::core::cuda
