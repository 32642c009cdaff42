// Reducing a part of a frame by averaging areas.
#pragma once

#include <cstdint>
#include <vector>

#include "picture_plan.h"

namespace siam::data {

/// Scratch memory of a thread that reduces; keeps its size between calls.
struct ReduceScratch {
  std::vector<float> columns;   ///< source rows summed with their weights: 3 floats for each source column
  std::vector<int32_t> first;   ///< of each output column: its first source column
  std::vector<int32_t> count;   ///< how many source columns it covers
  std::vector<float> weights;   ///< of those columns
};

/// Each pixel of the picture is the mean of the part of the frame that it covers; pixels that are covered in part count as much as they are.
/// Rounded to nearest. Sums are float32 in a fixed order, without choosing code by the CPU: machines of one kind give the same bits.
/// @param frame  the whole frame     @param plan  a reduced one     @param out  [plan.height × plan.width × 3] BGR
void ReduceArea(const FrameView& frame, const PicturePlan& plan, ReduceScratch& scratch, uint8_t* out);

}  // namespace siam::data
