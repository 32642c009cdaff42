// From a frame to the picture that a pack stores of it.
#pragma once

#include <exception>
#include <memory>
#include <vector>

#include "../../base/error.h"
#include "../frame_decoder.h"
#include "../frame_store.h"
#include "area_reduce.h"
#include "pack_file.h"
#include "picture_encoder.h"
#include "picture_plan.h"

namespace siam::data {

/// Not thread-safe: one for each thread.
class PictureMaker {
 public:
  /// @throws ERR_SETUP when the JPEG library is not there
  PictureMaker(std::shared_ptr<const DatasetIndex> dataset, const PackConfig& config);

  /// Reads and decodes the frame whole, cuts the part that the box's crops lie in, and reduces and encodes or copies it. The objects of a still
  /// picture share one decoding when they are asked for one after the other.
  /// @param row  all but its place is set     @returns the JPEG; it lives until the next call
  /// @throws ERR_IO, ERR_DATA for a frame or box that cannot be used, ERR_SETUP
  EncodedPicture Make(uint32_t sequence, uint32_t frame, PackRow& row);

  /// Whether the last picture was copied without loss.
  bool copied() const { return copied_; }
  /// Of the last picture, pixels, and of the file that its frame came from.
  int width() const { return width_; }
  int height() const { return height_; }
  size_t frame_bytes() const { return bytes_.size; }

 private:
  void Load(uint32_t sequence, uint32_t frame);
  EncodedPicture Encode(const PicturePlan& plan);

  const std::shared_ptr<const DatasetIndex> dataset_;
  const PackConfig config_;
  const std::unique_ptr<FrameStore> store_;
  FrameDecoder decoder_;
  PictureEncoder encoder_;
  ReduceScratch scratch_;
  std::vector<uint8_t> buffer_, pixels_, reduced_;

  // The frame that was loaded last.
  FrameBytes bytes_;
  FrameInfo info_;
  FrameView view_;
  uint32_t mean_ = 0;
  bool is_jpeg_ = false;
  bool copied_ = false;
  int width_ = 0, height_ = 0;
  std::optional<uint32_t> loaded_still_;
  std::exception_ptr failed_still_;
};

}  // namespace siam::data
