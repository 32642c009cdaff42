// The few functions of the CUDA driver that launching a kernel takes, found at run time: no CUDA header, no link to libcuda.
#pragma once

#include <cstddef>
#include <string>

namespace siam::core::cuda {

using CuResult = int;
using CuDevice = int;
struct CuContextTag;
struct CuModuleTag;
struct CuFunctionTag;
struct CuStreamTag;
using CuContext = CuContextTag*;
using CuModule = CuModuleTag*;
using CuFunction = CuFunctionTag*;
using CuStream = CuStreamTag*;

/// Prototypes as the driver API reference of CUDA 13 gives them; the `_v2` symbols are what its header maps the plain names to.
struct Driver {
  CuResult (*init)(unsigned flags);
  CuResult (*device_get)(CuDevice* device, int ordinal);
  CuResult (*device_attribute)(int* value, int attribute, CuDevice device);
  CuResult (*primary_context_retain)(CuContext* context, CuDevice device);
  CuResult (*context_get)(CuContext* context);
  CuResult (*context_push)(CuContext context);
  CuResult (*context_pop)(CuContext* context);
  CuResult (*module_load)(CuModule* module, const void* image);
  CuResult (*module_function)(CuFunction* function, CuModule module, const char* name);
  CuResult (*launch)(CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                     CuStream stream, void** parameters, void** extra);
  CuResult (*error_name)(CuResult error, const char** name);

  std::string describe(CuResult error) const;
};

constexpr int kComputeCapabilityMajor = 75, kComputeCapabilityMinor = 76;

/// @returns the driver, or null with the reason in `why`. Any thread.
const Driver* driver(std::string& why);

}  // namespace siam::core::cuda
