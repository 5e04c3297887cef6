// Threads for roofs and plain loops: they wait spinning for a moment, so that waking one costs about
// as little as a machine allows, and then sleep, so that they disturb nobody else's turn.
#ifndef SIMDROPE_BENCH_POOL_H_
#define SIMDROPE_BENCH_POOL_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

namespace simdrope::bench {

class Pool {
 public:
  using Task = std::function<void(int index)>;

  explicit Pool(int threads) : count_(threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { Work(i); });
  }
  ~Pool() {
    task_ = nullptr;
    Start();
    for (std::thread& worker : workers_) worker.join();
  }

  int size() const { return count_; }

  // Calls task(0) ... task(size() - 1), the first on this thread, and returns when all are done.
  void Run(const Task& task) {
    if (count_ == 1) return task(0);
    task_ = &task;
    running_.store(count_ - 1, std::memory_order_relaxed);
    Start();
    task(0);
    for (int spin = 0; running_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin < kSpins) {
        Pause();
      } else {
        std::this_thread::yield();
      }
    }
  }

  // The pool of `threads` threads.
  static Pool& Of(int threads) {
    static std::map<int, std::unique_ptr<Pool>> pools;
    std::unique_ptr<Pool>& pool = pools[threads];
    if (pool == nullptr) pool = std::make_unique<Pool>(threads);
    return *pool;
  }

 private:
  static constexpr int kSpins = 4000;

  static void Pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  void Start() {
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  void Work(int index) {
    for (unsigned seen = 0;; ++seen) {
      for (int spin = 0; spin < kSpins && round_.load(std::memory_order_acquire) == seen; ++spin) Pause();
      round_.wait(seen, std::memory_order_acquire);
      if (task_ == nullptr) return;
      (*task_)(index);
      running_.fetch_sub(1, std::memory_order_release);
    }
  }

  int count_;
  std::vector<std::thread> workers_;
  std::atomic<unsigned> round_{0};
  std::atomic<int> running_{0};
  const Task* task_ = nullptr;
};

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_POOL_H_
