#include "picture_plan.h"

#include <algorithm>
#include <cmath>

namespace siam::data {
namespace {

/// A length in MCUs for which RestartInterval finds a divisor, from `mcus` on.
int WithDivisor(int mcus, int mcu_width) {
  int wanted = mcus;
  while (RestartInterval(wanted, mcu_width) == wanted && wanted * mcu_width > kMaxRestartPixels) ++wanted;
  return wanted;
}

int Mcus(int pixels, int mcu) { return (pixels + mcu - 1) / mcu; }

/// [from, to) of an axis, clipped to the frame and at least one pixel of it: a box beside its frame keeps the nearest pixels.
void Clip(double& from, double& to, int size) {
  from = std::clamp(from, 0.0, size - 1.0);
  to = std::clamp(to, from + 1, static_cast<double>(size));
}

/// Number of pixels that [from, to) becomes; each then covers at least one pixel of the frame and at most `step`.
int ReducedCount(double length, double step) { return std::max(1, std::min(static_cast<int>(std::ceil(length / step)), static_cast<int>(length))); }

GridAxis ReducedAxis(double from, double length, int count) {
  const double step = length / count;
  return {from + (step - 1) / 2, step};
}

PicturePlan PlanReduced(PicturePlan plan, double step, int frame_width, int frame_height, const McuSize& mcu) {
  const double margin = kReducedMargin * step;
  plan.reduced = true;
  plan.left -= margin, plan.top -= margin, plan.right += margin, plan.bottom += margin;
  Clip(plan.left, plan.right, frame_width);
  Clip(plan.top, plan.bottom, frame_height);
  const double width = plan.right - plan.left, height = plan.bottom - plan.top;
  plan.width = ReducedCount(width, step);
  plan.height = ReducedCount(height, step);
  // A slightly finer grid where that makes restart intervals fit into a row.
  const int mcus = Mcus(plan.width, mcu.width), wanted = WithDivisor(mcus, mcu.width) * mcu.width;
  if (wanted > mcus * mcu.width && wanted <= width) plan.width = wanted;
  plan.grid = {ReducedAxis(plan.left, width, plan.width), ReducedAxis(plan.top, height, plan.height)};
  return plan;
}

PicturePlan PlanOwnPixels(PicturePlan plan, int frame_width, int frame_height, const McuSize* aligned, const McuSize& encoded) {
  const McuSize margin = aligned != nullptr ? *aligned : McuSize{kReducedMargin, kReducedMargin};
  plan.left = std::floor(plan.left) - margin.width, plan.right = std::ceil(plan.right) + margin.width;
  plan.top = std::floor(plan.top) - margin.height, plan.bottom = std::ceil(plan.bottom) + margin.height;
  Clip(plan.left, plan.right, frame_width);
  Clip(plan.top, plan.bottom, frame_height);
  const McuSize& mcu = aligned != nullptr ? *aligned : encoded;
  if (aligned != nullptr) {
    plan.left = std::floor(plan.left / mcu.width) * mcu.width;
    plan.top = std::floor(plan.top / mcu.height) * mcu.height;
  }
  // Some columns more, on whichever side the frame has them, where that makes restart intervals fit into a row.
  const int mcus = Mcus(static_cast<int>(plan.right - plan.left), mcu.width), wanted = WithDivisor(mcus, mcu.width);
  if (wanted > mcus) {
    const double right = std::min<double>(frame_width, plan.left + wanted * mcu.width);
    const double left = std::max(0.0, plan.left - (wanted - Mcus(static_cast<int>(right - plan.left), mcu.width)) * mcu.width);
    if (Mcus(static_cast<int>(right - left), mcu.width) == wanted) plan.left = left, plan.right = right;
  }
  plan.width = static_cast<int>(plan.right - plan.left);
  plan.height = static_cast<int>(plan.bottom - plan.top);
  plan.grid = {{plan.left, 1}, {plan.top, 1}};
  return plan;
}

}  // namespace

int RestartInterval(int mcus, int mcu_width) {
  for (int interval = std::min(mcus, kMaxRestartPixels / mcu_width); interval * mcu_width >= kMinRestartPixels; --interval) {
    if (mcus % interval == 0) return interval;
  }
  return mcus;
}

PicturePlan PlanPicture(const Xyxy& box, int frame_width, int frame_height, const PackConfig& config, const McuSize* aligned, const McuSize& encoded) {
  const double w = double{box[2]} - box[0] + 1, h = double{box[3]} - box[1] + 1;
  const double pad = config.context_amount * (w + h);
  const double side = std::sqrt((w + pad) * (h + pad));
  // Between pixel centres a crop's taps lie within its square; one pixel more on each side is the right tap and float32's rounding.
  const double half = std::min(config.context_factor * side / 2 + 1, 1e8);
  const double cx = (double{box[0]} + box[2]) / 2 + 0.5, cy = (double{box[1]} + box[3]) / 2 + 0.5;
  PicturePlan plan;
  plan.left = cx - half, plan.right = cx + half;
  plan.top = cy - half, plan.bottom = cy + half;
  const double step = side / (config.density * config.z_size);
  return step > 1 ? PlanReduced(plan, step, frame_width, frame_height, encoded) : PlanOwnPixels(plan, frame_width, frame_height, aligned, encoded);
}

}  // namespace siam::data
