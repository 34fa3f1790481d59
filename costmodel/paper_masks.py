"""Paper mode, what a chip costs to make: masks, wafers, yield, package, memory, and Table 5.

Rules as the HNLPU paper states them (arXiv 2508.16151v2). A figure in USD is one-time unless its name says
per chip. Optimistic and pessimistic figures are the two ends of the inputs' ranges.
"""

from numpy import exp, expm1, floor, log, sqrt

from hnlpu.costmodel.sheet import rule

__all__: list[str] = []


@rule("mask", source="Figure 8")
def duv_masks(top_masks, embedding_masks, lower_duv_masks):
    """Masks exposed at 193 nm: above, in and below the embedding layers."""
    return top_masks + embedding_masks + lower_duv_masks


@rule("mask", source="Figure 8")
def mask_layers(duv_masks, euv_masks):
    """Masks of a full set."""
    return duv_masks + euv_masks


@rule("mask", source="Figure 8")
def shared_masks(top_masks, lower_duv_masks, euv_masks):
    """Masks that do not depend on weights: above and below the embedding layers."""
    return top_masks + lower_duv_masks + euv_masks


@rule("mask", source="Section 2.2")
def process_masks(feol_masks, beol_masks):
    """Masks of devices and of interconnect."""
    return feol_masks + beol_masks


@rule("mask", source="Appendix B note 3")
def mask_units(duv_masks, euv_masks, euv_mask_weight):
    """Value of a full set in DUV masks, an EUV mask counting several times."""
    return duv_masks + euv_masks * euv_mask_weight


@rule("1", source="Appendix B note 3")
def embedding_mask_share(embedding_masks, mask_units):
    """Share of a set's value that depends on weights; these masks are all DUV."""
    return embedding_masks / mask_units


@rule("1", source="Appendix B note 3")
def shared_mask_share(embedding_mask_share):
    """Share of a set's value that all chips have in common."""
    return 1 - embedding_mask_share


@rule("USD", source="Appendix B note 3, Table 5")
def mask_shared_usd(mask_set_usd, shared_mask_share):
    """Masks that all chips have in common."""
    return mask_set_usd * shared_mask_share


@rule("USD/chip", source="Appendix B note 3")
def mask_per_chip_usd(mask_set_usd, embedding_mask_share):
    """Masks of one chip's weights."""
    return mask_set_usd * embedding_mask_share


@rule("USD", source="Table 5")
def mask_variants_usd(mask_per_chip_usd, chip_variants):
    """Masks of every chip's weights."""
    return mask_per_chip_usd * chip_variants


@rule("USD", source="Section 3.2, footnote 2")
def mask_usd(mask_shared_usd, mask_variants_usd):
    """All masks of the first tape-out."""
    return mask_shared_usd + mask_variants_usd


@rule("USD", source="Section 3.2")
def mask_unshared_usd(mask_set_usd, chip_variants):
    """A full set for every chip."""
    return mask_set_usd * chip_variants


@rule("1", source="Section 3.2: the price of a set cancels")
def mask_sharing_gain(shared_mask_share, embedding_mask_share, chip_variants):
    """A full set for every chip over shared masks and one set of embedding masks for every chip."""
    return chip_variants / (shared_mask_share + chip_variants * embedding_mask_share)


@rule("1", source="Section 1")
def mask_saving(mask_sharing_gain):
    """Share that sharing saves at the first tape-out."""
    return 1 - 1 / mask_sharing_gain


@rule("1", source="Section 1")
def respin_mask_saving(embedding_mask_share):
    """Share that sharing saves at a respin: all but the embedding masks."""
    return 1 - embedding_mask_share


@rule("1", source="Abstract, interpreted: the paper gives no formula")
def mask_gain(density_gain, mask_sharing_gain):
    """Density gain times the gain of sharing masks."""
    return density_gain * mask_sharing_gain


@rule("USD", source="Figure 2")
def straightforward_mask_usd(straightforward_chips, mask_set_usd):
    """A full set for every chip of the straightforward design."""
    return straightforward_chips * mask_set_usd


@rule("1", source="Figure 2 against Section 3.2: the price of a set cancels")
def mask_dollar_gain(straightforward_chips, chip_variants, mask_sharing_gain):
    """The straightforward design's masks over those of the first tape-out."""
    return straightforward_chips / chip_variants * mask_sharing_gain


@rule("USD", source="Figure 2")
def gpu_wafers_usd(gpu_wafers, motivation_wafer_price):
    """Wafers of a GPU generation."""
    return gpu_wafers * motivation_wafer_price


@rule("USD/gpu", source="Figure 2")
def gpu_die_usd(mask_set_usd, gpu_wafers_usd, gpu_units):
    """One mask set and the wafers over the GPUs made."""
    return (mask_set_usd + gpu_wafers_usd) / gpu_units


@rule("USD", source="Figure 2")
def straightforward_wafers_usd(straightforward_wafers, motivation_wafer_price):
    """Wafers of one hardwired model."""
    return straightforward_wafers * motivation_wafer_price


@rule("USD/wafer", source="Section 2.2")
def gpu_mask_per_wafer_usd(mask_set_usd, gpu_wafers):
    """One mask set over the wafers of a GPU generation."""
    return mask_set_usd / gpu_wafers


@rule("gpu/wafer", source="Appendix B note 3 applied to Figure 2")
def gpu_good_dies_per_wafer(gpu_die_area, wafer_diameter, defect_density):
    """Dies per wafer and Murphy's yield of a GPU's die."""
    pi = 3.141592653589793
    circle = pi * wafer_diameter * wafer_diameter / 4
    dies = floor(circle / gpu_die_area - pi * wafer_diameter / sqrt(2 * gpu_die_area))
    defects = gpu_die_area * defect_density
    root = -expm1(-defects) / defects
    return dies * root * root


@rule("wafer", source="Figure 2 with Appendix B note 3")
def straightforward_wafers_needed(straightforward_chips, good_dies_per_wafer):
    """Chips of the straightforward design over good dies per wafer, were wafers shared."""
    return straightforward_chips / good_dies_per_wafer


@rule("chip/wafer", source="Appendix B note 3 (62 dies), usual first-order formula")
def dies_per_wafer(die_area, wafer_diameter):
    """Whole dies: the wafer's area over the die's, less its circumference over the die's diagonal."""
    pi = 3.141592653589793
    circle = pi * wafer_diameter * wafer_diameter / 4
    return floor(circle / die_area - pi * wafer_diameter / sqrt(2 * die_area))


@rule("1", source="Appendix B note 3, Murphy's model")
def die_yield(die_area, defect_density):
    """((1 - exp(-A D)) / (A D)) squared, for area A and defect density D."""
    defects = die_area * defect_density
    root = -expm1(-defects) / defects
    return root * root


@rule("chip/wafer", source="Appendix B note 3")
def expected_good_dies_per_wafer(dies_per_wafer, die_yield):
    """Dies per wafer times yield."""
    return dies_per_wafer * die_yield


@rule("chip/wafer", source="Appendix B note 3: about 27 of 62 dies")
def good_dies_per_wafer(expected_good_dies_per_wafer):
    """The expectation, rounded to a whole number, which the paper then divides by."""
    return floor(expected_good_dies_per_wafer + 0.5)


@rule("USD/chip", source="Appendix B note 3, Table 5")
def wafer_cost_per_chip(wafer_price, good_dies_per_wafer):
    """Wafer price over good dies; packages that fail are not counted."""
    return wafer_price / good_dies_per_wafer


@rule("USD/chip", source="Appendix B note 3, Table 5")
def package_cost_per_chip(package_price, good_dies_per_wafer):
    """Package and test of a wafer's dies over the good ones."""
    return package_price / good_dies_per_wafer


@rule("USD/chip", source="Appendix B note 3, Table 5")
def hbm_cost_per_chip(hbm_stacks, hbm_stack_capacity, hbm_price):
    """Stacks of a module times capacity times price."""
    return hbm_stacks * hbm_stack_capacity * hbm_price


@rule("USD/chip", source="Table 5")
def recurring_cost_per_chip(
    wafer_cost_per_chip, package_cost_per_chip, hbm_cost_per_chip, integration_cost_per_chip
):  # fmt: skip
    """Wafer, package and test, HBM, system integration."""
    die = wafer_cost_per_chip + package_cost_per_chip
    return die + hbm_cost_per_chip + integration_cost_per_chip


@rule("USD", source="Table 5")
def design_usd(
    design_architecture_usd, design_verification_usd, design_physical_usd, design_ip_usd
):
    """Design and development, as the paper states them."""
    people = design_architecture_usd + design_verification_usd
    return people + design_physical_usd + design_ip_usd


@rule("USD", source="Table 5")
def nre_usd(mask_usd, design_usd):
    """Masks and design."""
    return mask_usd + design_usd


@rule("USD", source="Table 5")
def hardware_usd(systems, chips_per_system, recurring_cost_per_chip):
    """Recurring cost of all systems."""
    return systems * chips_per_system * recurring_cost_per_chip


@rule("USD", source="Table 5, initial build")
def build_usd(nre_usd, hardware_usd):
    """Masks, design and the first systems."""
    return nre_usd + hardware_usd


@rule("USD", source="Table 5, re-spin")
def respin_usd(mask_variants_usd, hardware_usd):
    """Masks of the weights, and all systems anew."""
    return mask_variants_usd + hardware_usd


@rule("1", source="Section 8")
def low_yield_factor(die_yield, discussed_yield):
    """Wafers at the yield that Section 8 discusses, over wafers at the model's yield."""
    return die_yield / discussed_yield


@rule("USD", source="Section 8")
def low_yield_wafers_usd(low_yield_factor, wafer_cost_per_chip, chips_per_system, systems):
    """Wafers of all systems at the yield that Section 8 discusses."""
    return low_yield_factor * wafer_cost_per_chip * chips_per_system * systems


@rule("1", source="our reading: each chip of a system is another design")
def mixed_wafer_chance(dies_per_wafer, die_yield, chip_variants):
    """Chance that one wafer, shared evenly by the different dies of a system, has a good one of each."""
    each = floor(dies_per_wafer / chip_variants)
    with_one_more = dies_per_wafer - chip_variants * each
    bad = log(1 - die_yield)
    fewer = (chip_variants - with_one_more) * log(1 - exp(each * bad))
    return exp(fewer + with_one_more * log(1 - exp((each + 1) * bad)))
