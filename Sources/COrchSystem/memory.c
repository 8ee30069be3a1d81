#include "COrchSystem.h"
#include <malloc.h>

void orch_give_back_memory(void) { malloc_trim(0); }
