#define _GNU_SOURCE
#include "COrchSystem.h"
#include <string.h>

const void *orch_find(const void *bytes, size_t count, const void *needle, size_t needle_count) {
    return memmem(bytes, count, needle, needle_count);
}

const void *orch_find_byte(const void *bytes, int byte, size_t count) { return memchr(bytes, byte, count); }
