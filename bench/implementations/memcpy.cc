// memcpy of Q and K: what moving them out of place costs without touching them.
#include <cstring>

#include "implementation.h"

namespace simdrope::bench {
namespace {

class Memcpy : public Implementation {
 public:
  std::string name() const override { return "memcpy"; }
  bool rotates() const override { return false; }
  std::string Refuses(const Case& c) const override {
    if (c.in_place()) return "a copy is out of place";
    if (c.threads > 1) return "one thread";
    return "";
  }
  void Prepare(const Job& job) override {
    q_ = job.q;
    k_ = job.k;
    const int64_t head = job.workload().tokens() * job.workload().head_dim * job.c.element_size();
    q_bytes_ = head * q_.heads;
    k_bytes_ = head * k_.heads;
  }
  void Run() override {
    std::memcpy(q_.out, q_.in, q_bytes_);
    if (k_bytes_ != 0) std::memcpy(k_.out, k_.in, k_bytes_);
  }

 private:
  TokenView q_{};
  TokenView k_{};
  size_t q_bytes_ = 0;
  size_t k_bytes_ = 0;
};

}  // namespace

Implementations MakeMemcpy() {
  Implementations implementations;
  implementations.push_back(std::make_unique<Memcpy>());
  return implementations;
}

}  // namespace simdrope::bench
