// Stands in for the header of this name: nothing of ours touches CUDA's short floating-point types, and their own header needs more packages.
#pragma once
