// A decoder for the common kind of JPEG: baseline, 8 bits, gray or YCbCr 4:4:4, 4:2:2, 4:2:0 or 4:4:0, one interleaved scan. It gives the
// very pixels of libjpeg-turbo (accurate DCT, fancy upsampling), or says that it does not: for every other kind of file, and as soon as it
// sees anything that libjpeg-turbo would warn about, so that errors and their words stay that library's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../image.h"
#include "planes.h"
#include "scan.h"

namespace siam::data::jpeg {

/// Holds scratch memory. Not thread-safe: one for each thread.
class BaselineDecoder {
 public:
  /// Reads the header and looks whether the frame is one for this decoder. The data must stay where it is until Decode().
  /// @returns whether it is one
  bool Open(const uint8_t* data, size_t size);
  int width() const { return header_.width; }
  int height() const { return header_.height; }
  int components() const { return header_.components; }
  int subsampling() const;  ///< a tj::kSubsampling… value

  /// The smallest rectangle around `wanted`, which lies in the frame, that Decode takes.
  Rect Enlarged(const Rect& wanted) const;

  /// Decodes an Enlarged() rectangle of the opened frame. Rows of MCUs below it are not read, and neither are restart intervals
  /// that lie beside or above it; all are when `sums` are wanted or the rectangle reaches the frame's last row.
  /// @param out  region.width · 3 bytes a row, one after the other, and 64 bytes of slack
  /// @param sums [3] gets the sums of all of the frame's B, G and R; may be nullptr
  /// @returns false when something in the data is not as it should be: `out` and `sums` are then of no use
  bool Decode(const Rect& region, uint8_t* out, uint64_t* sums);

  /// Decodes a rectangle of the frame at 1/2, 1/4 or 1/8 of its size (rounded up): each pixel from the means of the samples that it stands
  /// for, by a shorter inverse DCT. Else as Decode(); not libjpeg-turbo's pixels, though close to them.
  /// @param region  in pixels of the smaller picture; any     @param reduction 2, 4 or 8
  bool DecodeReduced(const Rect& region, int reduction, uint8_t* out);

 private:
  bool Run(const Layout& layout, const Rect& region, uint8_t* out, uint64_t* sums);

  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  Header header_;
  Plane planes_[3];
  Scan scan_;
  std::vector<uint8_t> rows_scratch_;
};

}  // namespace siam::data::jpeg
