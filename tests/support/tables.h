// Caller's tables of cos and sin in every form, next to a plain way of asking for a value.
#ifndef SIMDROPE_TESTS_SUPPORT_TABLES_H_
#define SIMDROPE_TESTS_SUPPORT_TABLES_H_

#include <simdrope/simdrope.hpp>
#include <vector>

#include "support/buffer.h"
#include "support/call.h"
#include "support/random.h"

namespace testing {

enum class TableForm { kPlain, kWider, kDoubledHalves, kDoubledElements, kCosSin, kSinCos, kComplex };
inline constexpr TableForm kTableForms[] = {TableForm::kPlain,           TableForm::kWider,  TableForm::kDoubledHalves,
                                            TableForm::kDoubledElements, TableForm::kCosSin, TableForm::kSinCos,
                                            TableForm::kComplex};

// A table of random values in [-1, 1], not normalised.
class DrawnTable {
 public:
  DrawnTable(TableForm form, simdrope::Format format, int64_t batches, int64_t rows, int pairs, Random* random);

  const simdrope::Table& view() const { return view_; }
  int64_t rows() const { return view_.rows; }
  // Pair i's values from row position[i] of entry b, times magnitude.
  Row At(int64_t b, const std::vector<double>& positions, double magnitude) const;
  bool GuardsIntact() const { return cos_memory_.GuardsIntact() && sin_memory_.GuardsIntact(); }

 private:
  size_t IndexOf(int64_t b, int64_t row, int pair) const;

  int pairs_;
  std::vector<double> cos_;  // [batches, rows, pairs]
  std::vector<double> sin_;
  Buffer cos_memory_;
  Buffer sin_memory_;
  simdrope::Table view_;
};

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_TABLES_H_
