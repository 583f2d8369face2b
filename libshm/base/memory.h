/* memory.h - is there plausibly that much memory? */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * plx_memory_available() - bytes that could be allocated now without the kernel having to kill somebody.
 *
 * The least of what the machine has left (memory and swap) and what each control group above us may still have. An
 * estimate: others allocate too.
 *
 * Return: bytes; UINT64_MAX when the kernel does not tell.
 */
uint64_t plx_memory_available(void);

/** plx_memory_plausible() - false when @len bytes are plainly more than there is; small amounts are not looked at. */
bool plx_memory_plausible(uint64_t len);

#endif
