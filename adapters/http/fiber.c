/* MAP_ANONYMOUS and MAP_STACK are not POSIX. */
#define _DEFAULT_SOURCE
#include "adapters/http/fiber.h"

#include <assert.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define STACK_REGISTER(low, high) VALGRIND_STACK_REGISTER(low, high)
#define STACK_DEREGISTER(id) VALGRIND_STACK_DEREGISTER(id)
#endif
#endif
#ifndef STACK_REGISTER
#define STACK_REGISTER(low, high) ((void)(low), (void)(high), 0u)
#define STACK_DEREGISTER(id) ((void)(id))
#endif

/*
 * swapcontext asks the kernel for the signal mask at each switch, and all fibers share one mask. So
 * a context is entered by it once, and by longjmp from then on. AddressSanitizer wants to see every
 * switch announced, and takes longjmp for the end of calls: it gets swapcontext.
 */
#ifdef FIBER_ASAN
#define FIBER_JUMPS 0
#else
#define FIBER_JUMPS 1
#endif

#define STACK_BYTES_DEFAULT (256u * 1024u)
/* Idle stacks that keep their touched pages; those past it keep only addresses, not memory. */
#define WARM_DEFAULT 16u

struct stack {
    struct stack *next;
    char *base; /* the guard page */
    unsigned valgrind_id;
};

struct fiber_pool {
    size_t stack_bytes, page_bytes;
    struct stack *warm, *cold; /* idle ones, with and without memory */
    size_t warm_count, warm_max, fiber_count;
};

struct fiber {
    struct fiber_pool *pool;
    struct stack *stack;
    void (*run)(void *arg);
    void *arg;
    ucontext_t own;
    bool running, ended;
#if FIBER_JUMPS
    bool entered;
    jmp_buf own_jump, resumer_jump;
#else
    ucontext_t resumer;
#endif
#ifdef FIBER_ASAN
    const void *resumer_bottom;
    size_t resumer_size;
    void *fake_stack;
#endif
};

struct fiber_pool *fiber_pool_new(size_t stack_bytes)
{
    struct fiber_pool *p = calloc(1, sizeof *p);
    long page = sysconf(_SC_PAGESIZE);

    if (!p)
        return NULL;
    p->page_bytes = page > 0 ? (size_t)page : 4096u;
    if (stack_bytes == 0)
        stack_bytes = STACK_BYTES_DEFAULT;
    p->stack_bytes = (stack_bytes + p->page_bytes - 1) / p->page_bytes * p->page_bytes;
    p->warm_max = WARM_DEFAULT;
    return p;
}

void fiber_pool_keep(struct fiber_pool *p, size_t count)
{
    p->warm_max = count;
}

static void unmap_all(const struct fiber_pool *p, struct stack *s)
{
    while (s) {
        struct stack *next = s->next;

        STACK_DEREGISTER(s->valgrind_id);
        munmap(s->base, p->stack_bytes + p->page_bytes);
        free(s);
        s = next;
    }
}

void fiber_pool_free(struct fiber_pool *p)
{
    if (!p)
        return;
    assert(p->fiber_count == 0);
    unmap_all(p, p->warm);
    unmap_all(p, p->cold);
    free(p);
}

static struct stack *stack_take(struct fiber_pool *p)
{
    struct stack **idle = p->warm ? &p->warm : &p->cold, *s = *idle;
    void *base;

    if (s) {
        p->warm_count -= idle == &p->warm;
        *idle = s->next;
        return s;
    }
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    base = mmap(NULL, p->stack_bytes + p->page_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (base == MAP_FAILED) {
        free(s);
        return NULL;
    }
    if (mprotect(base, p->page_bytes, PROT_NONE) != 0) {
        munmap(base, p->stack_bytes + p->page_bytes);
        free(s);
        return NULL;
    }
    s->base = base;
    s->valgrind_id =
        STACK_REGISTER(s->base + p->page_bytes, s->base + p->page_bytes + p->stack_bytes);
    return s;
}

static void stack_give_back(struct fiber_pool *p, struct stack *s)
{
    bool keep = p->warm_count < p->warm_max;
    struct stack **idle = keep ? &p->warm : &p->cold;

    p->warm_count += keep;
    if (!keep)
        madvise(s->base + p->page_bytes, p->stack_bytes, MADV_DONTNEED);
    s->next = *idle;
    *idle = s;
}

static void enter_resumer(struct fiber *f, bool for_good)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &f->fake_stack, f->resumer_bottom,
                                   f->resumer_size);
#else
    (void)for_good;
#endif
#if FIBER_JUMPS
    if (_setjmp(f->own_jump) == 0)
        _longjmp(f->resumer_jump, 1);
#else
    swapcontext(&f->own, &f->resumer);
#endif
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(f->fake_stack, &f->resumer_bottom, &f->resumer_size);
#endif
}

/* makecontext hands over ints only, so the pointer comes in two halves. */
static void fiber_main(unsigned high, unsigned low)
{
    struct fiber *f = (struct fiber *)(uintptr_t)((uint64_t)high << 32 | low);

#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(NULL, &f->resumer_bottom, &f->resumer_size);
#endif
    f->run(f->arg);
    f->ended = true;
    enter_resumer(f, true);
    abort(); /* fiber_resume asserts that this cannot be reached */
}

static bool prepare(struct fiber *f)
{
    if (getcontext(&f->own) != 0)
        return false;
    f->own.uc_stack.ss_sp = f->stack->base + f->pool->page_bytes;
    f->own.uc_stack.ss_size = f->pool->stack_bytes;
    f->own.uc_link = NULL;
    makecontext(&f->own, (void (*)(void))fiber_main, 2, (unsigned)((uint64_t)(uintptr_t)f >> 32),
                (unsigned)(uintptr_t)f);
    return true;
}

struct fiber *fiber_new(struct fiber_pool *p, void (*run)(void *arg), void *arg)
{
    struct fiber *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->pool = p;
    f->run = run;
    f->arg = arg;
    f->stack = stack_take(p);
    if (!f->stack || !prepare(f)) {
        if (f->stack)
            stack_give_back(p, f->stack);
        free(f);
        return NULL;
    }
    p->fiber_count++;
    return f;
}

bool fiber_resume(struct fiber *f)
{
#ifdef FIBER_ASAN
    void *fake_stack = NULL;
#endif
    assert(!f->running);
    assert(!f->ended);
    f->running = true;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&fake_stack, f->own.uc_stack.ss_sp, f->own.uc_stack.ss_size);
#endif
#if FIBER_JUMPS
    if (_setjmp(f->resumer_jump) == 0) {
        if (f->entered)
            _longjmp(f->own_jump, 1);
        f->entered = true;
        setcontext(&f->own);
    }
#else
    swapcontext(&f->resumer, &f->own);
#endif
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
    f->running = false;
    return !f->ended;
}

void fiber_yield(struct fiber *f)
{
    assert(f->running);
    enter_resumer(f, false);
}

void fiber_free(struct fiber *f)
{
    if (!f)
        return;
    assert(!f->running);
    stack_give_back(f->pool, f->stack);
    f->pool->fiber_count--;
    free(f);
}
