/* Shifts the wall clock of one process by the nanoseconds in a file, and leaves all other clocks as they are.

A wait until a point in wall time ends when the shifted clock has reached it, also where the clock is stepped meanwhile:
such waits look at the file every 20 ms. (Times below a billion seconds are steady ones.) */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset(void) {
  static volatile int64_t *mapped;
  if (mapped == NULL) {
    const char *path = getenv("WALL_CLOCK_OFFSET");
    int descriptor = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *found = descriptor < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, descriptor, 0);
    static int64_t none;
    mapped = found == MAP_FAILED ? &none : found;
    if (descriptor >= 0) close(descriptor);
  }
  return mapped;
}

static const int64_t SECOND = 1000000000LL, LOOK = 20000000LL; /* ns */

static int64_t nanoseconds(const struct timespec *time) { return time->tv_sec * SECOND + time->tv_nsec; }

static void set(struct timespec *time, int64_t nanoseconds) {
  time->tv_sec = nanoseconds / SECOND;
  time->tv_nsec = nanoseconds % SECOND;
}

static int real_clock(clockid_t clock, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (real == NULL) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  return real(clock, now);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = real_clock(clock, now);
  if (!failed && clock == CLOCK_REALTIME) set(now, nanoseconds(now) + *offset());
  return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
  struct timespec time;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &time)) return -1;
  now->tv_sec = time.tv_sec;
  now->tv_usec = time.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *seconds) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds != NULL) *seconds = now.tv_sec;
  return now.tv_sec;
}

/* Returns the ns that are left, and sets when the next look at the shift is due, in real wall time. */
static int64_t next_look(const struct timespec *deadline, struct timespec *look) {
  struct timespec now;
  real_clock(CLOCK_REALTIME, &now);
  int64_t left = nanoseconds(deadline) - *offset() - nanoseconds(&now);
  set(look, nanoseconds(&now) + (left < 0 ? 0 : left < LOOK ? left : LOOK));
  return left;
}

static int steady(const struct timespec *deadline) { return deadline->tv_sec < 1000000000LL; }

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
  static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  struct timespec look;
  /* Without a version, dlsym may return the one of LinuxThreads. */
  if (real == NULL) *(void **)&real = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  if (steady(deadline)) return real(condition, mutex, deadline);
  next_look(deadline, &look);
  int code = real(condition, mutex, &look);
  /* Before the deadline it is a spurious wake-up, which a caller must expect. */
  return code == ETIMEDOUT && next_look(deadline, &look) > 0 ? 0 : code;
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline) {
  static int (*real)(pthread_mutex_t *, const struct timespec *);
  struct timespec look;
  int code;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_timedlock");
  if (steady(deadline)) return real(mutex, deadline);
  do {
    next_look(deadline, &look);
    code = real(mutex, &look);
  } while (code == ETIMEDOUT && next_look(deadline, &look) > 0);
  return code;
}

int sem_timedwait(sem_t *semaphore, const struct timespec *deadline) {
  static int (*real)(sem_t *, const struct timespec *);
  struct timespec look;
  int code;
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "sem_timedwait");
  if (steady(deadline)) return real(semaphore, deadline);
  do {
    next_look(deadline, &look);
    code = real(semaphore, &look);
  } while (code != 0 && errno == ETIMEDOUT && next_look(deadline, &look) > 0);
  return code;
}
