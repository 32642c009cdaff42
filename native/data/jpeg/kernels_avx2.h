// What the AVX2 kernels share.
#pragma once

#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define SIAM_AVX2 __attribute__((target("avx2"), always_inline)) inline

namespace siam::data::jpeg {

// The bodies of the table's entries of these names.
void IdctAvx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);
void Idct4x4Avx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);
void IdctTo4x4Avx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);
void IdctTo2x2Avx2(int16_t* coefficients, const uint16_t* quant, uint8_t* out, ptrdiff_t stride);

}  // namespace siam::data::jpeg

#endif
