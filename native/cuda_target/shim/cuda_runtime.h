// Stands in for the header of this name: the functions for the host are all that is used here.
#pragma once

#include <cuda_runtime_api.h>
