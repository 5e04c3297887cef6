// In the place of oneTBB's header: an arena of a given width.
#ifndef SIMDROPE_TESTS_THROWING_TBB_TASK_ARENA_H_
#define SIMDROPE_TESTS_THROWING_TBB_TASK_ARENA_H_

namespace tbb::this_task_arena {

inline int width = 4;
inline int max_concurrency() { return width; }

}  // namespace tbb::this_task_arena

#endif  // SIMDROPE_TESTS_THROWING_TBB_TASK_ARENA_H_
