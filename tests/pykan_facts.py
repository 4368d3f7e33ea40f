"""pykan's public names with their arguments and defaults, as facts: what programs written for it may call."""

CLASSES_0_2 = {
    "kan.MultKAN:MultKAN": """
        __init__(width=None, grid=3, k=3, mult_arity=2, noise_scale=0.3, scale_base_mu=0.0, scale_base_sigma=1.0, \
base_fun='silu', symbolic_enabled=True, affine_trainable=False, grid_eps=0.02, grid_range=[-1, 1], sp_trainable=True, \
sb_trainable=True, seed=1, save_act=True, sparse_init=False, auto_save=True, first_init=True, ckpt_path='./model', \
state_id=0, round=0, device='cpu')
        initialize_from_another_model(another_model, x)
        log_history(method_name)
        refine(new_grid)
        saveckpt(path='model')
        loadckpt(path='model')
        copy()
        rewind(model_id)
        checkout(model_id)
        update_grid_from_samples(x)
        update_grid(x)
        initialize_grid_from_another_model(model, x)
        forward(x, singularity_avoiding=False, y_th=10.0)
        set_mode(l, i, j, mode, mask_n=None)
        fix_symbolic(l, i, j, fun_name, fit_params_bool=True, a_range=(-10, 10), b_range=(-10, 10), verbose=True, \
random=False, log_history=True)
        unfix_symbolic(l, i, j, log_history=True)
        unfix_symbolic_all(log_history=True)
        get_range(l, i, j, verbose=True)
        plot(folder='./figures', beta=3, metric='backward', scale=0.5, tick=False, sample=False, in_vars=None, \
out_vars=None, title=None, varscale=1.0)
        reg(reg_metric, lamb_l1, lamb_entropy, lamb_coef, lamb_coefdiff)
        get_reg(reg_metric, lamb_l1, lamb_entropy, lamb_coef, lamb_coefdiff)
        disable_symbolic_in_fit(lamb)
        get_params()
        fit(dataset, opt='LBFGS', steps=100, log=1, lamb=0.0, lamb_l1=1.0, lamb_entropy=2.0, lamb_coef=0.0, \
lamb_coefdiff=0.0, update_grid=True, grid_update_num=10, loss_fn=None, lr=1.0, start_grid_update_step=-1, \
stop_grid_update_step=50, batch=-1, metrics=None, save_fig=False, in_vars=None, out_vars=None, beta=3, \
save_fig_freq=1, img_folder='./video', singularity_avoiding=False, y_th=1000.0, \
reg_metric='edge_forward_spline_n', display_metrics=None)
        prune_node(threshold=0.01, mode='auto', active_neurons_id=None, log_history=True)
        prune_edge(threshold=0.03, log_history=True)
        prune(node_th=0.01, edge_th=0.03)
        prune_input(threshold=0.01, active_inputs=None, log_history=True)
        remove_edge(l, i, j, log_history=True)
        remove_node(l, i, mode='all', log_history=True)
        attribute(l=None, i=None, out_score=None, plot=True)
        node_attribute()
        feature_interaction(l, neuron_th=0.01, feature_th=0.01)
        suggest_symbolic(l, i, j, a_range=(-10, 10), b_range=(-10, 10), lib=None, topk=5, verbose=True, \
r2_loss_fun=..., c_loss_fun=..., weight_simple=0.8)
        auto_symbolic(a_range=(-10, 10), b_range=(-10, 10), lib=None, verbose=1, weight_simple=0.8, r2_threshold=0.0)
        symbolic_formula(var=None, normalizer=None, output_normalizer=None)
        expand_depth()
        expand_width(layer_id, n_added_nodes, sum_bool=True, mult_arity=2)
        perturb(mag=1.0, mode='non-intrusive')
        module(start_layer, chain)
        tree(x=None, in_var=None, style='tree', sym_th=0.001, sep_th=0.1, skip_sep_test=False, verbose=False)
        speed(compile=False)
        get_act(x=None)
        get_fun(l, i, j)
        history(k='all')
        evaluate(dataset)
        swap(l, i1, i2, log_history=True)
        auto_swap_l(l)
        auto_swap()
    """,
    "kan.KANLayer:KANLayer": """
        __init__(in_dim=3, out_dim=2, num=5, k=3, noise_scale=0.5, scale_base_mu=0.0, scale_base_sigma=1.0, \
scale_sp=1.0, base_fun=..., grid_eps=0.02, grid_range=[-1, 1], sp_trainable=True, sb_trainable=True, \
save_plot_data=True, device='cpu', sparse_init=False)
        forward(x)
        update_grid_from_samples(x, mode='sample')
        initialize_grid_from_parent(parent, x, mode='sample')
        get_subset(in_id, out_id)
        swap(i1, i2, mode='in')
    """,
    "kan.Symbolic_KANLayer:Symbolic_KANLayer": """
        __init__(in_dim=3, out_dim=2, device='cpu')
        forward(x, singularity_avoiding=False, y_th=10.0)
        get_subset(in_id, out_id)
        fix_symbolic(i, j, fun_name, x=None, y=None, random=False, a_range=(-10, 10), b_range=(-10, 10), verbose=True)
        swap(i1, i2, mode='in')
    """,
    "kan.LBFGS:LBFGS": """
        __init__(params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-07, tolerance_change=1e-09, \
tolerance_ys=1e-32, history_size=100, line_search_fn=None)
        step(closure)
    """,
    "kan.MLP:MLP": """
        __init__(width, act='silu', save_act=True, seed=0, device='cpu')
        get_act(x=None)
        forward(x)
        attribute()
        plot(beta=3, scale=1.0, metric='w')
        reg(reg_metric, lamb_l1, lamb_entropy)
        get_reg(reg_metric, lamb_l1, lamb_entropy)
        fit(dataset, opt='LBFGS', steps=100, log=1, lamb=0.0, lamb_l1=1.0, lamb_entropy=2.0, loss_fn=None, lr=1.0, \
batch=-1, metrics=None, in_vars=None, out_vars=None, beta=3, device='cpu', reg_metric='w', display_metrics=None)
        swap(l, i1, i2)
        auto_swap_l(l)
        auto_swap()
        tree(x=None, in_var=None, style='tree', sym_th=0.001, sep_th=0.1, skip_sep_test=False, verbose=False)
    """,
}
"""Methods of 0.2.8 by class."""

FUNCTIONS_0_2 = {
    "kan.spline": """
        B_batch(x, grid, k=0, extend=True, device='cpu')
        coef2curve(x_eval, grid, coef, k, device='cpu')
        curve2coef(x_eval, y_eval, grid, k)
        extend_grid(grid, k_extend=0)
    """,
    "kan.utils": """
        create_dataset(f, n_var=2, f_mode='col', ranges=[-1, 1], train_num=1000, test_num=1000, \
normalize_input=False, normalize_label=False, device='cpu', seed=0)
        fit_params(x, y, fun, a_range=(-10, 10), b_range=(-10, 10), grid_number=101, iteration=3, verbose=True, \
device='cpu')
        sparse_mask(in_dim, out_dim)
        add_symbolic(name, fun, c=1, fun_singularity=None)
        ex_round(ex1, n_digit)
        augment_input(orig_vars, aux_vars, x)
        batch_jacobian(func, x, create_graph=False, mode='scalar')
        batch_hessian(model, x, create_graph=False)
        create_dataset_from_data(inputs, labels, train_ratio=0.8, device='cpu')
        get_derivative(model, inputs, labels, derivative='hessian', loss_mode='pred', reg_metric='w', lamb=0.0, \
lamb_l1=1.0, lamb_entropy=0.0)
        model2param(model)
    """,
    "kan.compiler": """
        next_nontrivial_operation(expr, scale=1, bias=0)
        expr2kan(input_variables, expr, grid=5, k=3, auto_save=False)
        sf2kan(input_variables, expr, grid=5, k=3, auto_save=False)
        kanpiler(input_variables, expr, grid=5, k=3, auto_save=False)
    """,
    "kan.hypothesis": """
        detect_separability(model, x, mode='add', score_th=0.01, res_th=0.01, n_clusters=None, bias=0.0, verbose=False)
        batch_grad_normgrad(model, x, group, create_graph=False)
        get_dependence(model, x, group)
        test_symmetry(model, x, group, dependence_th=0.001)
        test_separability(model, x, groups, mode='add', threshold=0.01, bias=0)
        test_general_separability(model, x, groups, threshold=0.01)
        get_molecule(model, x, sym_th=0.001, verbose=True)
        get_tree_node(model, x, moleculess, sep_th=0.01, skip_test=True)
        plot_tree(model, x, in_var=None, style='tree', sym_th=0.001, sep_th=0.1, skip_sep_test=False, verbose=False)
        test_symmetry_var(model, x, input_vars, symmetry_var)
    """,
    "kan.experiment": """
        runner1(width, dataset, grids=[5, 10, 20], steps=20, lamb=0.001, prune_round=3, refine_round=3, edge_th=0.01, \
node_th=0.01, metrics=None, seed=1)
        pareto_frontier(x, y)
    """,
    "kan.feynman": """
        get_feynman_dataset(name)
    """,
}
"""Functions of 0.2.8 by module."""

CLASSES_0_0 = {
    "kan.KAN:KAN": """
        __init__(width=None, grid=3, k=3, noise_scale=0.1, noise_scale_base=0.1, base_fun=..., \
symbolic_enabled=True, bias_trainable=True, grid_eps=1.0, grid_range=[-1, 1], sp_trainable=True, sb_trainable=True, \
device='cpu', seed=0)
        initialize_from_another_model(another_model, x)
        update_grid_from_samples(x)
        initialize_grid_from_another_model(model, x)
        forward(x)
        set_mode(l, i, j, mode, mask_n=None)
        fix_symbolic(l, i, j, fun_name, fit_params_bool=True, a_range=(-10, 10), b_range=(-10, 10), verbose=True, \
random=False)
        unfix_symbolic(l, i, j)
        unfix_symbolic_all()
        get_range(l, i, j, verbose=True)
        plot(folder='./figures', beta=3, mask=False, mode='supervised', scale=0.5, tick=False, sample=False, \
in_vars=None, out_vars=None, title=None)
        train(dataset, opt='LBFGS', steps=100, log=1, lamb=0.0, lamb_l1=1.0, lamb_entropy=2.0, lamb_coef=0.0, \
lamb_coefdiff=0.0, update_grid=True, grid_update_num=10, loss_fn=None, lr=1.0, stop_grid_update_step=50, batch=-1, \
small_mag_threshold=1e-16, small_reg_factor=1.0, metrics=None, sglr_avoid=False, save_fig=False, in_vars=None, \
out_vars=None, beta=3, save_fig_freq=1, img_folder='./video', device='cpu')
        prune(threshold=0.01, mode='auto', active_neurons_id=None)
        remove_edge(l, i, j)
        remove_node(l, i)
        suggest_symbolic(l, i, j, a_range=(-10, 10), b_range=(-10, 10), lib=None, topk=5, verbose=True)
        auto_symbolic(a_range=(-10, 10), b_range=(-10, 10), lib=None, verbose=1)
        symbolic_formula(floating_digit=2, var=None, normalizer=None, simplify=False, output_normalizer=None)
        clear_ckpts(folder='./model_ckpt')
        save_ckpt(name, folder='./model_ckpt')
        load_ckpt(name, folder='./model_ckpt')
    """,
    "kan.KANLayer:KANLayer": """
        __init__(in_dim=3, out_dim=2, num=5, k=3, noise_scale=0.1, scale_base=1.0, scale_sp=1.0, base_fun=..., \
grid_eps=0.02, grid_range=[-1, 1], sp_trainable=True, sb_trainable=True, device='cpu')
        forward(x)
        update_grid_from_samples(x)
        initialize_grid_from_parent(parent, x)
        get_subset(in_id, out_id)
    """,
}
"""Methods of 0.0.5 by class; `lock` and `unlock` are gone and say so."""

PROPERTIES = [
    "width_in",
    "width_out",
    "n_sum",
    "n_mult",
    "feature_score",
    "n_edge",
    "connection_cost",
    "act_fun",
    "symbolic_fun",
    "width",
    "depth",
    "grid",
    "k",
    "mult_arity",
    "mult_homo",
    "input_id",
    "node_bias",
    "node_scale",
    "subnode_bias",
    "subnode_scale",
    "save_act",
    "symbolic_enabled",
    "auto_save",
    "ckpt_path",
    "state_id",
    "round",
    "cache_data",
    "acts",
    "acts_premult",
    "spline_preacts",
    "spline_postacts",
    "spline_postsplines",
    "acts_scale",
    "acts_scale_spline",
    "edge_actscale",
    "subnode_actscale",
    "node_scores",
    "edge_scores",
    "subnode_scores",
    "node_scores_all",
    "edge_scores_all",
    "subnode_scores_all",
    "mask_up",
    "mask_down",
    "symbolic_acts",
    "symbolic_acts_premult",
    "device",
    "base_fun",
    "base_fun_name",
    "grid_eps",
    "grid_range",
    "sp_trainable",
    "sb_trainable",
    "affine_trainable",
    "node_attribute_scores",
]
"""Attributes of a model that notebooks read."""

LAYER_ATTRIBUTES = [
    "grid",
    "coef",
    "scale_base",
    "scale_sp",
    "mask",
    "in_dim",
    "out_dim",
    "num",
    "k",
    "grid_eps",
    "base_fun",
]
SYMBOLIC_ATTRIBUTES = ["funs_name", "affine", "mask", "funs_sympy"]
