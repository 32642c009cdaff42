// The CUDA kernels' arithmetic on the processor: every check prints a line; the exit status is 1 when one failed.
#include "check.h"

namespace half8 {
#define SIAM_DTYPE 1
#define V 8
#define KH 4
#define KW 4
#include "variant.h"
#include "norm_checks.h"
#include "other_checks.h"
#undef SIAM_DTYPE
#undef V
#undef KH
#undef KW
}  // namespace half8

namespace half2 {
#define SIAM_DTYPE 1
#define V 2
#define KH 4
#define KW 4
#include "variant.h"
#include "norm_checks.h"
#include "other_checks.h"
#undef SIAM_DTYPE
#undef V
#undef KH
#undef KW
}  // namespace half2

namespace bf1 {
#define SIAM_DTYPE 2
#define V 1
#define KH 3
#define KW 5
#include "variant.h"
#include "norm_checks.h"
#include "other_checks.h"
#undef SIAM_DTYPE
#undef V
#undef KH
#undef KW
}  // namespace bf1

namespace float4 {
#define SIAM_DTYPE 0
#define V 4
#define KH 1
#define KW 1
#include "variant.h"
#include "norm_checks.h"
#include "other_checks.h"
#undef SIAM_DTYPE
#undef V
#undef KH
#undef KW
}  // namespace float4

namespace float1 {
#define SIAM_DTYPE 0
#define V 1
#define KH 6
#define KW 6
#include "variant.h"
#include "norm_checks.h"
#include "other_checks.h"
#include "loss_checks.h"
#undef SIAM_DTYPE
#undef V
#undef KH
#undef KW
}  // namespace float1

int main() {
  expect("half: rounding to nearest even, subnormals, overflow", emulated_float_to_half(1.0f) == 0x3c00 && emulated_float_to_half(-2.5f) == 0xc100 &&
         emulated_float_to_half(65504.0f) == 0x7bff && emulated_float_to_half(65520.0f) == 0x7c00 && emulated_float_to_half(5.9604645e-8f) == 1 &&
         emulated_float_to_half(2049.0f) == 0x6800 && emulated_float_to_half(6.1035156e-5f) == 0x0400 && emulated_half_to_float(0x3555) == 0.333251953125f);
  constexpr double kHalf = 6e-4, kBfloat = 5e-3, kFloat = 3e-6;  // half a unit in the last place of the largest result, and some
  half8::check_norm("half x8", {2, 9, 11, 96, 3, true, true, 3.0f}, kHalf);
  half8::check_norm("half x8", {1, 40, 40, 256, 5, true, false, 0.0f}, kHalf);
  half8::check_norm("half x8", {1, 7, 5, 768, 2, false, true, 0.0f}, kHalf);
  half2::check_norm("half x2", {1, 13, 3, 58, 2, true, true, 0.0f}, kHalf);
  bf1::check_norm("bfloat16 x1", {1, 13, 5, 3, 2, true, true, 0.0f}, kBfloat);
  float4::check_norm("float x4", {2, 17, 15, 384, 4, true, true, 30.0f}, 3e-5);  // x itself has 2e-6 of a deviation to its last place
  float4::check_norm("float x4", {3, 17, 17, 4, 1, true, false, 0.0f}, kFloat);
  float1::check_norm("float x1", {3, 17, 17, 1, 2, true, false, -2.0f}, kFloat);
  float1::check_norm("float x1", {1, 1, 2, 5, 1, true, true, 0.0f}, 1e-3);  // two values a channel: dx is a difference of almost equals
  float1::check_norm("float x1", {1, 9, 1, 67, 1, false, false, 0.0f}, kFloat);
  half8::check_poisoned("half x8");
  float4::check_poisoned("float x4");
  half8::check_pool("half x8", 2, 11, 9, 96, 0, true, kHalf);
  half8::check_pool("half x8", 1, 10, 12, 8, 0, true, kHalf);
  half2::check_pool("half x2", 1, 9, 10, 6, 1, false, kHalf);
  bf1::check_pool("bfloat16 x1", 2, 8, 3, 3, 0, false, kBfloat);
  float4::check_pool("float x4", 1, 24, 21, 4, 1, false, kFloat);
  float1::check_pool("float x1", 1, 4, 5, 3, 0, true, kFloat);
  half2::check_xcorr("half x2", 2, 70, 9, 12, kHalf);
  half8::check_xcorr("half x8", 1, 16, 26, 26, kHalf);
  bf1::check_xcorr("bfloat16 x1", 1, 3, 7, 8, kBfloat);
  float4::check_xcorr("float x4", 2, 8, 5, 3, kFloat);
  float1::check_xcorr("float x1", 1, 33, 6, 22, kFloat);
  float1::check_xcorr("float x1", 2, 1, 8, 6, kFloat);
  half8::check_average_pool("half x8", 2, 5, 7, 24, kHalf);
  bf1::check_average_pool("bfloat16 x1", 1, 1, 3, 5, kBfloat);
  float4::check_average_pool("float x4", 3, 4, 4, 12, kFloat);
  half8::check_image("half x8", 2, 13, 9, kHalf);
  bf1::check_image("bfloat16 x1", 1, 6, 8, kBfloat);
  float4::check_image("float x4", 1, 5, 7, kFloat);
  float1::check_losses();
  std::printf("%d failed\n", failures);
  return failures == 0 ? 0 : 1;
}
