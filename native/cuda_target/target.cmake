# siamfcpp_cuda.so: what needs CUDA's headers (CUDA graphs, NCCL), a library of its own that the addon opens at run time. Built where the headers are
# found; all else is the same without it. docs/architecture.md §4.
include("${CMAKE_CURRENT_LIST_DIR}/find.cmake")

if(CUDA_TARGET_HEADERS)
  set(cuda_sources native/cuda_target/extension.cc native/cuda_target/graph.cc)
  if(CUDA_TARGET_NCCL)
    list(APPEND cuda_sources native/cuda_target/nccl_backend.cc)
  endif()
  add_library(siamfcpp_cuda SHARED ${cuda_sources})
  # Two of the shim's headers have names that our files may not have.
  file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/cuda_shim/cublasLt.h" CONTENT "#include <cublas_lt.h>\n")
  file(GENERATE OUTPUT "${CMAKE_BINARY_DIR}/cuda_shim/cusolverDn.h" CONTENT "#include <cusolver_dn.h>\n")
  # The shim first: it stands in for the headers of half a dozen libraries that torch's headers include and nothing of ours uses.
  target_include_directories(siamfcpp_cuda SYSTEM BEFORE PRIVATE native/cuda_target/shim "${CMAKE_BINARY_DIR}/cuda_shim")
  target_include_directories(siamfcpp_cuda SYSTEM PRIVATE ${TORCH_INCLUDES} "${CUDA_TARGET_HEADERS}")
  if(CUDA_TARGET_NCCL)
    target_include_directories(siamfcpp_cuda SYSTEM PRIVATE "${CUDA_TARGET_NCCL}")
    target_compile_definitions(siamfcpp_cuda PRIVATE SIAMFCPP_WITH_NCCL)
  endif()
  # Places in sources, which messages carry, without this machine's folders: the library is packed for others.
  target_compile_options(siamfcpp_cuda PRIVATE ${WARNINGS} -O2 "-ffile-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}/=" "-ffile-prefix-map=${SIAMFCPP_LIBTORCH}/=libtorch/")
  # No path of this machine in it: it is opened when libtorch's CUDA is there, which resolves its names. Nor need CUDA's libraries be here.
  set_target_properties(siamfcpp_cuda PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/Release" SKIP_BUILD_RPATH ON)
  target_link_libraries(siamfcpp_cuda PRIVATE "${SIAMFCPP_LIBTORCH}/lib/libtorch_cuda.so" "${SIAMFCPP_LIBTORCH}/lib/libc10_cuda.so"
    "${SIAMFCPP_LIBTORCH}/lib/libtorch_cpu.so" "${SIAMFCPP_LIBTORCH}/lib/libc10.so")
  target_link_options(siamfcpp_cuda PRIVATE -Wl,--allow-shlib-undefined -Wl,--disable-new-dtags)
else()
  # One of an older build would be of another contract.
  file(REMOVE "${CMAKE_BINARY_DIR}/Release/siamfcpp_cuda.so")
endif()
