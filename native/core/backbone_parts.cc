#include "backbone_parts.h"

#include <string>

#include "../base/error.h"
#include "dispatch.h"

namespace siam::core {

at::Tensor rgb_float(const at::Tensor& image) { return image.flip({1}).to(at::kFloat); }

at::Tensor crop_border(const at::Tensor& x, int64_t pad, const char* name) {
  if (x.size(2) <= 2 * pad || x.size(3) <= 2 * pad) {
    throw SiamException("ERR_SHAPE", std::string(name) + ": expected features of more than " + std::to_string(2 * pad) + " cells a side, of which crop_pad " +
                                         std::to_string(pad) + " cuts off both ends, but received " + describe(x) + "; the image is too small");
  }
  return x.slice(2, pad, x.size(2) - pad).slice(3, pad, x.size(3) - pad);
}

}  // namespace siam::core
