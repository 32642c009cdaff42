// Stands in for the header of this name of the package nvidia-cuda-crt, where that one is missing: the compiler's attributes that the API headers
// of nvidia-cuda-runtime name, as a host compiler needs them. Those headers are part of libtorch as set-up gets it; this one is not.
#pragma once

#if !defined(__GNUC__)
#error "g++ or clang++ expected"
#endif

#undef __forceinline__
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __align__(n)
#define __specialization_static
#define CUDARTAPI
#define CUDARTAPI_CDECL

#define __host__
#define __device__
#define __global__
#define __shared__
#define __constant__
#define __managed__
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __cudart_builtin__
