// A call of apply as the reference sees it: what each operand is to become, token by token.
#ifndef SIMDROPE_REFERENCE_JOB_H_
#define SIMDROPE_REFERENCE_JOB_H_

#include <cstdint>
#include <functional>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "reference/stages.h"

namespace simdrope::reference {

enum class Operand { kQ, kK, kV };
inline constexpr Operand kOperands[] = {Operand::kQ, Operand::kK, Operand::kV};
const char* NameOf(Operand operand);

// A row for Q or for K of token (b, s); V takes no row, but the action of K's.
using RowOfToken = std::function<Row(bool key, int64_t b, int64_t s)>;

// The rows of a Config at `positions`, exact for `frequencies`; K's at key_positions (NULL: the same).
RowOfToken RowsOfRope(const Config& config, const Frequencies& frequencies, const simdrope_positions& positions,
                      const simdrope_positions* key_positions = nullptr);
// The rows of a view of a caller's table whose positions are all in it.
RowOfToken RowsOfTable(const simdrope_cos_sin& view, int pairs, const simdrope_positions* key_positions = nullptr);

// What one call of apply is to do, told apart from how it is asked for.
struct Job {
  QKV in;
  QKV out;
  Window window;
  bool inverse = false;
  simdrope_stages q = SIMDROPE_STAGES_INIT;
  simdrope_stages k = SIMDROPE_STAGES_INIT;
  simdrope_stages v = SIMDROPE_STAGES_INIT;
  RowOfToken row;
  // Of operands whose slots are their positions.
  const simdrope_positions* slot_positions = nullptr;

  void SetWindow(int rotary_dim, int rotary_offset, Pairing pairing);
  // All that the options say of the results.
  void SetOptions(const simdrope_options& options);

  const simdrope_tensor& input(Operand operand) const;
  const simdrope_tensor& output(Operand operand) const;
  const simdrope_stages& stages(Operand operand) const;
  bool has(Operand operand) const { return input(operand).heads > 0 && output(operand).heads > 0; }
};

// The tokens of an operand: those of its slot map if either tensor has one, else the tensors' own.
struct Step {
  int64_t batch;
  int64_t seq;
};
Step StepOf(const Job& job, Operand operand);

// Where token (b, s) is in a tensor's memory.
struct Entry {
  int64_t b = 0;
  int64_t s = 0;
  bool skipped = false;  // slot -1
};
Entry EntryOf(const simdrope_tensor& tensor, const simdrope_positions* positions, int64_t b, int64_t s);

// What token (b, s) of an operand is to become, before it is stored: from the input as it is in memory now. Empty: the
// output is left alone.
Token ExpectedToken(const Job& job, Operand operand, int64_t b, int64_t s);

// Calls visit(b, s) for every token of an operand's step.
template <class Visit>
void ForStep(const Job& job, Operand operand, const Visit& visit) {
  const Step step = StepOf(job, operand);
  for (int64_t b = 0; b < step.batch; ++b) {
    for (int64_t s = 0; s < step.seq; ++s) visit(b, s);
  }
}

// Calls visit(b, s, h) for every head of the memory of t.
template <class Visit>
void ForHeads(const simdrope_tensor& t, const Visit& visit) {
  for (int64_t b = 0; b < t.batch; ++b) {
    for (int64_t s = 0; s < t.seq; ++s) {
      for (int64_t h = 0; h < t.heads; ++h) visit(b, s, h);
    }
  }
}

// An element of a tensor of F32, F16 or BF16.
void* ElementOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d);
double ValueOf(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h, int64_t d);

// How far outputs were from what was expected.
struct Comparison {
  int64_t elements = 0;
  double worst_ulp = 0;    // error in ULP of the output's format at the element's size (element.h)
  double bound_ulp = 0;    // the greatest bound, in the same unit
  double worst_share = 0;  // error as part of its bound; at most 1 is right
  std::string first_wrong;

  bool ok() const { return first_wrong.empty(); }
};

// Compares one operand's token with what ExpectedToken gave before the call.
void CompareToken(const Job& job, Operand operand, int64_t b, int64_t s, const Token& expected, Comparison* comparison);

// Compares all of a call whose inputs are still there: none in place.
void CompareAll(const Job& job, Comparison* comparison);

}  // namespace simdrope::reference

#endif  // SIMDROPE_REFERENCE_JOB_H_
