<?php
// Changes comments through WordPress's own functions: a command is a line of JSON, and so is its answer.
// Called as: php driver.php FOLDER_OF_THE_SITE

$_SERVER['HTTP_HOST'] = 'localhost';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$folder = $argv[1];

// Nobody reads mail here, and there may be no programme to send it.
function wp_mail() { return true; }

if (!file_exists("$folder/installed")) {
    define('WP_INSTALLING', true);
    require "$folder/wp-load.php";
    require_once ABSPATH . 'wp-admin/includes/upgrade.php';
    wp_install('Le Journal d’essai', 'admin', 'admin@example.org', true, '', 'not a secret');
    switch_theme('plain');
    global $wp_rewrite;
    $wp_rewrite->set_permalink_structure('/%postname%/');
    $wp_rewrite->flush_rules(false);
    wp_delete_comment(1, true); // the one that every new site has
    touch("$folder/installed");
} else {
    require "$folder/wp-load.php";
}

function answer_to(array $command) {
    switch ($command['do']) {
        case 'article':
            return wp_insert_post([
                'post_title' => $command['title'], 'post_content' => 'Un article.', 'post_status' => $command['status'],
            ]);
        case 'comment':
            $moment = gmdate('Y-m-d H:i:s', $command['at']);
            return wp_insert_comment([
                'comment_post_ID' => $command['article'],
                'comment_author' => $command['author'],
                'comment_content' => $command['text'],
                'comment_parent' => $command['parent'],
                'comment_approved' => $command['approved'] ? 1 : 0,
                'comment_date_gmt' => $moment,
                'comment_date' => get_date_from_gmt($moment),
            ]);
        case 'edit':
            return wp_update_comment(['comment_ID' => $command['id'], 'comment_content' => $command['text']]);
        case 'status':
            return wp_set_comment_status($command['id'], $command['status']);
        case 'delete':
            return wp_delete_comment($command['id'], true);
        case 'approved':
            $rendered = [];
            foreach (get_comments(['status' => 'approve', 'number' => 0]) as $comment) {
                if (get_post_status($comment->comment_post_ID) === 'publish') {
                    $rendered[$comment->comment_ID] = apply_filters('comment_text', $comment->comment_content, $comment, []);
                }
            }
            return (object) $rendered;
    }
    throw new Exception('unknown command');
}

fwrite(STDOUT, "ready\n");
while (($line = fgets(STDIN)) !== false) {
    wp_cache_flush(); // the web server changes nothing, but what it reads is not cached here either
    fwrite(STDOUT, json_encode(answer_to(json_decode($line, true))) . "\n");
}
