// 3×3 and 5×5 convolutions of stride 1 by Winograd's minimal filtering, interleaved (NHWC), for inference.
//
// Why our own: oneDNN's direct convolutions already run at what the vector units give, so only fewer multiplications are faster. An output
// tile of (7 − r)² costs 36 products a channel pair instead of (7 − r)²·r²: 4 times fewer for r = 3, 2.8 times for r = 5. Both sizes share
// the points 0, ±1, ±2, ∞ and with them the transform of the image.
// The products are float32, or 16-bit words (12 to 13 significant bits with a scale for each tile and point, and one for each output and
// point): AVX-512 VNNI multiplies twice as many of those, and the bits are as many as cannot overflow a sum of 32.
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015).
#pragma once

#include <cmath>
#include <cstdint>

namespace siam::kernels {

constexpr int64_t kWinogradPoints = 36;
/// Outputs that one block of packed weights covers.
constexpr int64_t kWinogradBlock = 32;
/// More input channels than this leave words too few bits.
constexpr int64_t kWinogradWordChannels = 512;

/// The largest word: a sum of C products of two such stays below 2³¹.
inline float winograd_word(int64_t C) { return std::floor(std::sqrt(2147483647.0f / static_cast<float>(C)) - 1.0f); }

/// x [N,H,W,C] → out [N,OH,OW,O], kernels r×r, `pad` zeros on each side. C is a multiple of 16, O of kWinogradBlock.
struct WinogradShape {
  int64_t N, H, W, C, OH, OW, O;
  int64_t r, pad;
  int64_t step() const { return 7 - r; }  ///< outputs of a tile on each side
  int64_t tiles_x() const { return (OW + step() - 1) / step(); }
  int64_t tiles_y() const { return (OH + step() - 1) / step(); }
  int64_t tiles() const { return N * tiles_y() * tiles_x(); }
};

/// Whether this processor has the instructions: AVX-512, and VNNI for words. With SIAMFCPP_NO_AVX512 in the environment it has not, so that what
/// other processors run can be tried.
bool winograd_available(bool words);

/// Weights w [O,C,r,r] as the products take them. @param packed [O/32][36][C][32]
void winograd_pack(const float* w, int64_t O, int64_t C, int64_t r, float* packed);
/// @param packed [O/32][36][C/2][32][2]     @param scales [O/32][36][32] of a word's unit
void winograd_pack(const float* w, int64_t O, int64_t C, int64_t r, int16_t* packed, float* scales);

/// A chunk of tiles: `first` and on, `count` of them.
struct WinogradChunk {
  int64_t first, count;
};

/// Transforms tiles [begin, end) of the chunk. @param v [36][count][C]
void winograd_input(const float* x, const WinogradShape& s, const WinogradChunk& chunk, int64_t begin, int64_t end, float* v);
/// @param v [36][count][C]     @param scales [36][count] of a word's unit     @param scratch [36][C]
void winograd_input(const float* x, const WinogradShape& s, const WinogradChunk& chunk, int64_t begin, int64_t end, int16_t* v, float* scales, float* scratch);

struct WinogradEnd {
  const float* bias;  ///< [O]
  bool relu;
};

/// Outputs of one block of 32 channels for all tiles of the chunk. @param scratch [36][count][32]
void winograd_output(const float* v, const float* packed, const WinogradShape& s, const WinogradChunk& chunk, int64_t block, const WinogradEnd& end, float* scratch, float* out);
void winograd_output(const int16_t* v, const float* v_scales, const int16_t* packed, const float* scales, const WinogradShape& s, const WinogradChunk& chunk, int64_t block,
                     const WinogradEnd& end, float* scratch, float* out);

}  // namespace siam::kernels
