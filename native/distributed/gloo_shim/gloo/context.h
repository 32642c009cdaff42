#include <gloo/shim.h>
