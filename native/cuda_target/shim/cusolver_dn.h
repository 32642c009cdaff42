// Stands in for cusolverDn.h: torch's headers include it, and what they use of it are handles that nothing of ours touches. Without it
// the packages of half a dozen libraries would be needed, a gigabyte, to compile one file.
#pragma once

#include "cusolver_common.h"
typedef struct cusolverDnContext* cusolverDnHandle_t;
