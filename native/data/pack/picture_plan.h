// Which part of a frame a pack keeps, and at which resolution (docs/packs.md).
#pragma once

#include "../geometry.h"
#include "../image.h"
#include "../mcu.h"

namespace siam::data {

/// What a pack is made with; the same for all of its pictures.
struct PackConfig {
  double context_amount = 0.5;
  double context_factor = 4.342;  ///< side of the stored square in context sides of the box
  double density = 1;             ///< a context side has at most density · z_size stored pixels
  int z_size = 127;
  int quality = 90;               ///< of pictures that are encoded anew, 1..100
  int subsampling = 2;            ///< of those, a tj::kSubsampling… value
};

/// A part of a frame and the picture that it becomes.
struct PicturePlan {
  bool reduced = false;  ///< false: the frame's own pixels, grid step 1
  /// Of the frame. Not reduced: whole pixels. Reduced: between pixels' edges, pixel i covers [i, i + 1).
  double left = 0, top = 0, right = 0, bottom = 0;
  int width = 0;         ///< of the picture, pixels
  int height = 0;
  PixelGrid grid;

  Rect Pixels() const { return {static_cast<int>(left), static_cast<int>(top), width, height}; }
};

/// Pixels of the picture that it holds on each side beyond what a crop can touch: for the neighbours that chroma upsampling looks at.
/// A copied picture needs a whole MCU, because its chroma was sampled together with pixels that are cut off.
constexpr int kReducedMargin = 4;

/// Bounds on the pixels between two restart markers.
constexpr int kMinRestartPixels = 80;
constexpr int kMaxRestartPixels = 192;

/// MCUs between restart markers, so that each row of MCUs begins with one: the divisor of the row's MCUs within the bounds, else the row.
/// @param mcus  MCUs in a row     @param mcu_width  pixels
int RestartInterval(int mcus, int mcu_width);

/// The part around a box that all crops of a training lie in, as far as that is in the frame. Never enlarged: where the frame is coarser than
/// the density asks for, its own pixels are kept.
/// @param aligned  the source's MCU: a part of the frame's own pixels then begins at whole MCUs; nullptr where it is not copied
/// @param encoded  MCU of a picture that is encoded anew
PicturePlan PlanPicture(const Xyxy& box, int frame_width, int frame_height, const PackConfig& config, const McuSize* aligned, const McuSize& encoded);

}  // namespace siam::data
