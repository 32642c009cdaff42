#pragma once

#include <ATen/ATen.h>

namespace siam::core {

/// Depthwise cross-correlation: each template channel slides over its search channel.
/// @param x  search features [N,C,Hx,Wx]     @param k  template features [N,C,Hk,Wk], same N, C, dtype, device
/// @returns [N,C,Hx-Hk+1,Wx-Wk+1] in x's memory format     @throws ERR_SHAPE if N or C differ or Hk > Hx or Wk > Wx
/// Source: SiamFC++ (AAAI 2020) §3; parity: test/golden/forward. Thread: engine.
at::Tensor xcorr_depthwise(const at::Tensor& x, const at::Tensor& k);

}  // namespace siam::core
