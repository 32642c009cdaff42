// Stands in for the header of this name: torch's headers include it, and what they use of it are handles that nothing of ours touches. Without it
// the packages of half a dozen libraries would be needed, a gigabyte, to compile one file.
#pragma once

typedef int cusolverStatus_t;
